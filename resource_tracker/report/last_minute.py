"""The last minute before a step was ended, row by row: in the charts of a long attempt it is a point or two."""

from __future__ import annotations

from typing import Any

from resource_tracker.dataclass import replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import TaskRecord
from resource_tracker.report.charts import chart_data
from resource_tracker.report.series import row_edges

LENGTH_S = 60.0
_WORTH_IT_S = 150.0
"""Charts of a shorter attempt show its last minute well enough."""
_LEAST_ROWS = 5
_LEFT_OUT = ("net_recv", "net_sent")
"""Nothing that ends a step."""


def last_minute_data(record: TaskRecord) -> dict[str, Any] | None:
    """Charts like those of the whole attempt, their time counted back from the end: -60 to 0.

    ``None`` where nothing ended the attempt before its time, or its last minute is in no more detail than the rest.
    """
    ended = record.ending is not None or (record.outcome.status == "failed" and not record.outcome.caught)
    edges = row_edges(record.process_metrics, record.started_at)
    if not ended or not edges or edges[-1][1] < _WORTH_IT_S:
        return None
    from_s = edges[-1][1] - LENGTH_S
    rows = sum(end > from_s + 1e-6 for _, end in edges)
    if rows < _LEAST_ROWS:
        return None
    end_at = record.process_metrics["timestamp"][-1]
    cut = replace(
        record,
        started_at=end_at - LENGTH_S,
        process_metrics=_tail(record.process_metrics, end_at),
        system_metrics=_tail(record.system_metrics, end_at),
    )
    data = chart_data(cut)
    charts = [chart for chart in data["charts"] if chart["id"] not in _LEFT_OUT]
    return {**data, "charts": charts, "end": LENGTH_S}


def _tail(frame: TinyDataFrame, end_at: float) -> TinyDataFrame:
    """Rows of the last minute; the machine's are stamped a little before the step's."""
    stamps = frame["timestamp"]
    first = next((index for index, stamp in enumerate(stamps) if stamp > end_at - LENGTH_S + 1e-3), len(stamps))
    return frame[first:]
