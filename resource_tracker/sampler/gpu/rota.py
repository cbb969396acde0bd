"""What is read when: as often as is useful, and no more often than its budget allows."""

from resource_tracker.sampler.gpu.readings import GROUPS, Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TURN_S = 0.02
"""Readings that are expected to take longer together wait for the next turn; one is always taken."""
EARLY_S = 0.05
"""Turns come every 100 ms or so: what is due before half of that is over is read now."""
SMOOTHING = 0.3


class Rota:
    """Which readings of which GPUs are due. The cost of each is measured as it is taken."""

    def __init__(self, places: int, now_s: float) -> None:
        self._places = places
        self._wall_s = {group.name: group.expected_s for group in GROUPS}
        self._cpu_s = {group.name: 0.0 for group in GROUPS}
        # The dear ones begin one after the other, and not while the step is loading.
        self._due_s = {
            (place, group.name): now_s + (0.0 if group.every_s <= 1 else group.every_s * (place + 1) / places)
            for group in GROUPS
            for place in range(places)
        }

    def period_s(self, group: Group) -> float:
        """Seconds between two readings of one GPU: of a share of time that all of them together may take."""
        return max(
            group.every_s,
            self._wall_s[group.name] * self._places / group.wall_share,
            self._cpu_s[group.name] * self._places / group.cpu_share,
        )

    def due(self, now_s: float) -> list[tuple[int, Group]]:
        """What is to be read now, the longest overdue first."""
        waiting = [
            (due_s, place, group) for group in GROUPS for place, due_s in self._of(group) if due_s <= now_s + EARLY_S
        ]
        waiting.sort(key=lambda item: item[0])
        chosen: list[tuple[int, Group]] = []
        expected_s = 0.0
        for _, place, group in waiting:
            expected_s += self._wall_s[group.name]
            if chosen and expected_s > TURN_S:
                break
            chosen.append((place, group))
        return chosen

    def _of(self, group: Group) -> "Iterable[tuple[int, float]]":
        return ((place, self._due_s[place, group.name]) for place in range(self._places))

    def taken(self, place: int, group: Group, at_s: float, wall_s: float, cpu_s: float) -> None:
        """A reading was taken, in so much time and CPU time."""
        name = group.name
        self._wall_s[name] += (wall_s - self._wall_s[name]) * SMOOTHING
        self._cpu_s[name] += (cpu_s - self._cpu_s[name]) * SMOOTHING
        self._due_s[place, name] = at_s - wall_s + self.period_s(group)

    def postpone(self, place: int, until_s: float) -> None:
        """Leaves a GPU alone for a while."""
        for group in GROUPS:
            self._due_s[place, group.name] = max(self._due_s[place, group.name], until_s)
