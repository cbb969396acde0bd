"""From the spool of the cores to one frame: how busy each of them was, in few rows and small steps."""

from __future__ import annotations

from resource_tracker.columns import COUNTER, LAST, Column
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import compact
from resource_tracker.sampler.cores import FRAME
from resource_tracker.sampler.spool_read import Spool, rows_of_step

MOST_ROWS = 240
"""More than twice the width of what is drawn of them, in points."""
MOST_CELLS = 24_000
"""However many cores there are: what the frames of the GPUs may take, too."""
STEPS = 200
"""Half a percent each. Cells that are alike take next to no space when they are compressed."""
_SHARED = (Column("timestamp", "s", LAST, "", ""), Column("interval_s", "s", COUNTER, "", ""))


def cores_of(spool: Spool, step_ended_at: float | None, *, marked: bool) -> TinyDataFrame:
    """``timestamp``, ``interval_s`` and a share between 0 and 1 for each core; empty where nothing was measured.

    Parameters are those of :func:`resource_tracker.measured_gpus.gpus_of`.
    """
    rows = rows_of_step(spool, (FRAME, "timestamp"), step_ended_at, marked=marked)
    if not rows:
        return TinyDataFrame()
    columns = {name: [column[index] for index in rows] for (_, name), column in spool.columns.items()}
    merged = compact(TinyDataFrame(columns), _SHARED, most_rows(len(columns)))
    steps = {name: [_in_steps(value) for value in merged[name]] for name in merged.columns if name.startswith("core")}
    return TinyDataFrame({**{name: merged[name] for name in merged.columns}, **steps})


def most_rows(columns: int) -> int:
    """Rows of a frame of so many columns."""
    return max(2, min(MOST_ROWS, MOST_CELLS // columns))


def _in_steps(share: float) -> float:
    return round(share * STEPS) / STEPS if share == share else share
