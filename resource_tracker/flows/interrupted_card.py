"""The last page of an attempt that went with its whole container: made by who comes after, from its last record."""

from __future__ import annotations

import time
from typing import Any

from resource_tracker.dataclass import field_names, replace
from resource_tracker.flows.cards import FINAL, NO_DATA, CardStore
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    Ending,
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Pricing,
    ServerInfo,
    TaskRecord,
    TaskSummary,
    Tracking,
    UsageSummary,
)
from resource_tracker.remedies import remedy_of
from resource_tracker.report.model import DATA_VERSION
from resource_tracker.summary import encode_summary, request_of


def end_interrupted_card(cards: CardStore, pathspec: str, summary: TaskSummary) -> None:
    """Put the last page in the place of the live one: what ended the attempt, and the charts as far as they got.

    Raises whatever the store raises.
    """
    from resource_tracker.report.render import render_card  # with Jinja2, which the task itself may not have loaded

    record = record_of_summary(pathspec, summary)
    cards.save(render_card(record, data=_drawn(cards.read_data().get("data"), record)))
    cards.save_data(NO_DATA, FINAL, time.time(), encode_summary(summary))


def record_of_summary(pathspec: str, summary: TaskSummary) -> TaskRecord:
    """What can be told of an attempt of which nothing but a summary is left."""
    known = set(field_names(summary) or ())
    shared = {name: getattr(summary, name) for name in field_names(UsageSummary) or () if name in known}
    usage = UsageSummary(**{name: value for name, value in shared.items() if value is not None})
    request = request_of(summary)
    no_advice = NoRecommendation(reason="It was cut off: what it needs is told by attempts that came to their end.")
    ending = Ending(
        cause=summary.ended_by or "", evidence=summary.ended_evidence or "", source=summary.ended_source or ""
    )
    remedy = remedy_of(ending, no_advice, request, summary.memory_limit_mib)
    ended_at = summary.finished_at or 0.0
    return TaskRecord(
        pathspec=pathspec,
        attempt=summary.attempt,
        title=summary.step,
        started_at=ended_at - summary.duration_s,
        ended_at=ended_at,
        outcome=Outcome(status="failed", ended_by=summary.ended_by),
        tracking=Tracking(mode="sampler", interval_s=1.0, ended_early="what measured it went with it"),
        process_metrics=TinyDataFrame(),
        system_metrics=TinyDataFrame(),
        usage=usage,
        server=ServerInfo(vcpus=summary.vcpus, architecture=summary.architecture),
        request=request,
        limits=Limits(
            cpus=summary.cpu_limit,
            memory_mib=summary.memory_limit_mib,
            shared_memory_mib=summary.shared_memory_limit_mib,
        ),
        history=History(available=False, reason="Not read for an attempt that was cut off."),
        recommendation=no_advice,
        pricing=Pricing(note="Not priced, as its end is not known."),
        ending=replace(ending, remedy=remedy),
    )


def _drawn(live: Any, record: TaskRecord) -> dict[str, Any] | None:
    """The charts of the live card in the last one; ``None`` where they are of another version, or damaged."""
    from resource_tracker.report.model import card_data

    if not isinstance(live, dict) or live.get("v") != DATA_VERSION or not isinstance(live.get("texts"), dict):
        return None
    own = card_data(record)
    kept = {name: value for name, value in live.items() if name not in ("live", "tone", "scales", "last")}
    texts = {**own["texts"], **live["texts"], "badge": own["texts"]["badge"]}
    return {**own, **kept, "texts": texts}
