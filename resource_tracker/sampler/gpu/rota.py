"""What is read when: as often as is useful, and no more often than its budget allows."""

from resource_tracker.sampler.gpu.readings import GROUPS, USE, Group

TURN_S = 0.02
"""Readings other than of use that are expected to take longer together wait for the next turn; one is taken always."""
EARLY_S = 0.1
"""Turns come every 200 ms or so: what is due before half of that is over is read now."""
SMOOTHING = 0.3


class Rota:
    """Which readings of which GPUs are due: of each group one GPU after the other, evenly over its period.

    The cost of each is measured as it is taken: the first of a dear group delays those of the other GPUs already.
    """

    def __init__(self, places: int, now_s: float) -> None:
        self._places = places
        self._wall_s = {group.name: group.expected_s for group in GROUPS}
        self._cpu_s = {group.name: 0.0 for group in GROUPS}
        self._turn = {group.name: 0 for group in GROUPS}
        # The dear ones not while the step is loading.
        self._next_s = {group.name: now_s + (1.0 if group.every_s > 1 else 0.0) for group in GROUPS}
        self._not_before_s = [now_s] * places

    def period_s(self, group: Group) -> float:
        """Seconds between two readings of one GPU: of a share of time that all of them together may take."""
        return max(
            group.every_s,
            self._wall_s[group.name] * self._places / group.wall_share,
            self._cpu_s[group.name] * self._places / group.cpu_share,
        )

    def due(self, now_s: float) -> list[tuple[int, Group]]:
        """What is to be read now: use, then the longest overdue. It counts as read: the turn is the next GPU's."""
        chosen: list[tuple[int, Group]] = []
        expected_s = 0.0
        for group in sorted(GROUPS, key=lambda group: (group is not USE, self._next_s[group.name])):
            step_s = self.period_s(group) / max(self._places, 1)
            for _ in range(self._places):
                if self._next_s[group.name] > now_s + EARLY_S:
                    break
                if expected_s and expected_s + self._wall_s[group.name] > TURN_S:
                    return chosen
                place = self._turn[group.name] % self._places
                self._turn[group.name] += 1
                # What was missed while nobody could ask is not made up for.
                self._next_s[group.name] = max(self._next_s[group.name], now_s - self.period_s(group)) + step_s
                if self._not_before_s[place] <= now_s:
                    chosen.append((place, group))
                    expected_s += 0.0 if group is USE else self._wall_s[group.name]
        return chosen

    def taken(self, group: Group, at_s: float, wall_s: float, cpu_s: float) -> None:
        """A reading was taken, in so much time and CPU time."""
        name = group.name
        self._wall_s[name] = _smoothed(self._wall_s[name], wall_s)
        self._cpu_s[name] = _smoothed(self._cpu_s[name], cpu_s)
        self._next_s[name] = max(self._next_s[name], at_s - wall_s + self.period_s(group) / self._places)

    def postpone(self, place: int, until_s: float) -> None:
        """Leaves a GPU alone for a while."""
        self._not_before_s[place] = until_s


def _smoothed(mean_s: float, cost_s: float) -> float:
    """One dear reading changes little, not even the first: a busy machine makes it wait for its turn."""
    return mean_s + (cost_s - mean_s) * SMOOTHING
