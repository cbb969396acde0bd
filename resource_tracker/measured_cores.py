"""From the spool of the cores to one frame: how busy each of them was, in few rows and small steps."""

from __future__ import annotations

import math

from resource_tracker.columns import COUNTER, LAST, Column
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import compact
from resource_tracker.sampler.cores import FRAME
from resource_tracker.sampler.spool_read import Spool, rows_of_step

MOST_ROWS = 240
"""More than twice the width of what is drawn of them, in points."""
MOST_CELLS = 24_000
"""However many cores there are: what the frames of the GPUs may take, too."""
MOST_LIVE_ROWS, MOST_LIVE_CELLS = 64, 2800
MOST_LIVE_LINES = 64
"""Of the picture, see :mod:`resource_tracker.report.cores`."""
LIVE_CORES = 32
"""As many are drawn anew with each update of a live card; twice as many with every second one, and so on."""
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


def live_cores_of(spool: Spool) -> TinyDataFrame:
    """The same of a step that runs, from rows that are few already; empty where there is one core, as CPU says it all.

    Rows after the step's end are left out.
    """
    rows = spool.phases.count(0)
    if not rows or len(spool.columns) - len(_SHARED) < 2:
        return TinyDataFrame()
    return TinyDataFrame({name: column[:rows] for (_, name), column in spool.columns.items()})


def most_live_rows(columns: int) -> int:
    """Rows of so many columns that are kept of a step that runs: each update of its card goes through all of them."""
    return min(MOST_LIVE_ROWS, MOST_LIVE_CELLS // min(columns, MOST_LIVE_LINES))


def live_updates_apart(spool: Spool) -> int:
    """With every how many updates of a live card the cores are: many take longer than an update may."""
    return math.ceil((len(spool.columns) - len(_SHARED)) / LIVE_CORES)


def _in_steps(share: float) -> float:
    return round(share * STEPS) / STEPS if share == share else share
