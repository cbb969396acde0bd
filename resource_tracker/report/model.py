"""The card as values: everything formatted or ready to draw, nothing of HTML yet.

The classes of this package are named tuples because making a data class takes ten times as long, and it happens in
the task, when its last card is written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.charts import Highs, chart_data, quiet_sentence
from resource_tracker.report.comparison import Comparison, comparison
from resource_tracker.report.cores import CorePanel, CoreParts, core_panel, core_parts
from resource_tracker.report.ending import Before, EndingPanel, attempt_before, ending_panel
from resource_tracker.report.facts import Fact, machine, missing, totals
from resource_tracker.report.findings import findings
from resource_tracker.report.gaps import gap_sentence
from resource_tracker.report.gpu_table import GpuTable, gpu_table
from resource_tracker.report.headline import Advice, Badge, Money, advice, badge, money
from resource_tracker.report.last_minute import last_minute_data
from resource_tracker.report.live import LivePanel, live_data, live_panel
from resource_tracker.report.method import method
from resource_tracker.report.offers import OfferTable, offer_table
from resource_tracker.report.scales import Scale, scales
from resource_tracker.report.spans import SpanTable, span_data, span_table

DATA_VERSION = 1


class CardModel(NamedTuple):
    """All that a card shows, top to bottom; `data` is what its script draws."""

    title: str
    crumbs: tuple[str, ...]
    attempt: str
    badge: Badge
    started: str
    started_iso: str
    duration: str
    advice: Advice
    findings: tuple[Fact, ...]
    money: Money | None
    scales: tuple[Scale, ...]
    totals: tuple[Fact, ...]
    comparison: Comparison
    offers: OfferTable
    machine: tuple[Fact, ...]
    method: tuple[Fact, ...]
    missing: tuple[Fact, ...]
    measured: bool
    quiet: str
    gaps: str
    cores: CorePanel | None
    gpus: GpuTable | None
    live: LivePanel | None
    ending: EndingPanel | None
    attempt_before: Before | None
    spans: SpanTable
    data: dict[str, Any]


def build_card(record: TaskRecord, data: dict[str, Any] | None = None) -> CardModel:
    """The card of an attempt.

    Parameters
    ----------
    record : TaskRecord
        Of any outcome and tracking mode, also an untracked or still running one.
    data : dict, optional
        What :func:`card_data` made of it, where that is known.

    Returns
    -------
    CardModel
        Strings in it are as they came: whoever writes them into a page escapes them.
    """
    parts = record.pathspec.split("/") if record.pathspec else []
    measured = record.tracking.mode != "untracked"
    return CardModel(
        title=parts[2] if len(parts) > 2 else record.title,
        crumbs=tuple(parts[:2] + parts[3:]) if len(parts) > 2 else (),
        attempt=f"attempt {record.attempt}" if parts else "",
        badge=badge(record),
        started=fmt.moment(record.started_at),
        started_iso=fmt.iso_moment(record.started_at),
        duration=_duration(record),
        advice=advice(record),
        findings=tuple(fact._replace(text=fmt.unbroken(fact.text)) for fact in findings(record)),
        money=money(record),
        scales=scales(record) if measured else (),
        totals=totals(record) if measured else (),
        comparison=comparison(record),
        offers=offer_table(record.pricing),
        machine=machine(record),
        method=method(record),
        missing=missing(record),
        measured=measured,
        quiet=quiet_sentence(record),
        gaps=gap_sentence(record),
        cores=core_panel(record),
        gpus=gpu_table(record),
        live=live_panel(record),
        ending=ending_panel(record),
        attempt_before=attempt_before(record),
        spans=span_table(record),
        data=card_data(record) if data is None else data,
    )


def card_data(
    record: TaskRecord,
    highs: Highs | None = None,
    refresh_s: float | None = None,
    cores: CoreParts | None = None,
) -> dict[str, Any]:
    """What changes while a step runs, as JSON-able builtins: charts, scales and texts.

    It stands in the page once, and ``window.metaflow_card_update`` takes the same to redraw in place. `highs` are those
    of :class:`resource_tracker.spool_follow.LiveSpool`, where rows are merged already; the next update is due after
    `refresh_s`. `cores` is what :func:`resource_tracker.report.cores.core_parts` made of it, where that is known.
    """
    cores = cores or core_parts(record)
    marker, charts = badge(record), chart_data(record, highs)
    texts = {fact.key: fact.text for fact in (*totals(record), *method(record)) if fact.key}
    texts |= {"duration": _duration(record), "badge": marker.text}
    if cores is not None and record.outcome.status == "running":
        texts |= cores.texts
    texts |= {"quiet": quiet_sentence(record), "gaps": gap_sentence(record, charts["gaps"])}
    return {
        "v": DATA_VERSION,
        "tone": marker.tone,
        "texts": texts,
        "scales": [_scale_data(scale) for scale in scales(record)],
        "live": live_data(record, refresh_s),
        "spans": span_data(record),
        "last": last_minute_data(record),
        "cores": None if cores is None else cores.drawn,
        **charts,
    }


def _duration(record: TaskRecord) -> str:
    """As the page's script counts it on, while the step runs."""
    length_s = record.usage.duration_s
    if record.outcome.status == "running":
        return fmt.running(length_s)
    return fmt.duration(length_s) if length_s or record.ending is None else "length not known"


def _scale_data(scale: Scale) -> dict[str, Any]:
    return {
        "key": scale.key,
        "shown": scale.shown,
        "summary": scale.summary,
        "marks": {mark.kind: [mark.at, mark.text, mark.beyond] for mark in scale.marks},
        "ticks": [list(tick) for tick in scale.ticks],
    }
