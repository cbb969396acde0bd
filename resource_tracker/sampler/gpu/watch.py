"""The columns of one GPU, from readings that come when they come."""

from resource_tracker.columns import COUNTER, GPU_COLUMNS, PEAK
from resource_tracker.sampler.collector import growth

NAN = float("nan")
FRESH = 1.5
"""A gauge counts for rows without a reading of their own until it is this many of its periods old."""
PEAKS = {"usage": "usage_peak", "vram_mib": "vram_peak_mib", "step_vram_mib": "step_vram_peak_mib"}
CELLS = tuple(column.name for column in GPU_COLUMNS if column.name not in ("timestamp", "interval_s"))
NOT_HELD = frozenset(column.name for column in GPU_COLUMNS if column.kind in (COUNTER, PEAK))


class Watch:
    """One GPU between two rows."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}
        self._highest: dict[str, float] = {}
        self._held: dict[str, tuple[float, float]] = {}
        self._before: tuple[float, float] | None = None
        self._joules: float = NAN
        self.was_read = False
        """Whether its use was, in this row."""

    def add(self, figures: dict[str, float], at_s: float, period_s: float) -> None:
        """Takes in a reading that counts for `period_s` or a little more."""
        figures = dict(figures)
        self.was_read = self.was_read or "usage" in figures
        energy_j = figures.pop("energy_so_far_j", NAN)
        if energy_j == energy_j:
            figures["power_w"] = self._spend(energy_j, at_s)
        if "vram_mib" in figures:
            figures["other_vram_mib"] = _rest(figures["vram_mib"], figures["step_vram_mib"])
        for name, value in figures.items():
            if value != value:
                self._held.pop(name, None)
                continue
            if name in NOT_HELD:
                self._highest[name] = max(value, self._highest.get(name, value))
                continue
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
            self._held[name] = value, at_s + FRESH * period_s
            if name in PEAKS:
                self._highest[PEAKS[name]] = max(value, self._highest.get(PEAKS[name], value))

    def _spend(self, energy_j: float, at_s: float) -> float:
        """Adds the energy since the last reading to the row, and is its mean power."""
        before, self._before = self._before, (energy_j, at_s)
        if before is None or at_s <= before[1] or energy_j < before[0]:  # a new driver counts from 0 again
            return NAN
        joules = growth(before[0], energy_j)
        self._joules = joules + (self._joules if self._joules == self._joules else 0.0)
        return joules / (at_s - before[1])

    def forget(self) -> None:
        """The GPU is gone: nothing that was read holds on."""
        self._sums.clear()
        self._held.clear()
        self._before = None

    def take(self, now_s: float) -> dict[str, float]:
        """The cells of the row, which ends here."""
        cells = dict.fromkeys(CELLS, NAN)
        for name, (value, until_s) in self._held.items():
            if now_s <= until_s:
                cells[name] = value
                if name in PEAKS:
                    cells[PEAKS[name]] = value
        for name, (total, count) in self._sums.items():
            cells[name] = total / count
        cells.update(self._highest)
        cells["energy_j"] = self._joules
        self._sums, self._highest, self._joules, self.was_read = {}, {}, NAN, False
        return cells


def _rest(used_mib: float, own_mib: float) -> float:
    """What is not the step's: others', and the driver's own."""
    return max(0.0, used_mib - own_mib) if own_mib == own_mib else NAN
