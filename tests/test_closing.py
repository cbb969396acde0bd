"""The line that a tracked step adds to its log."""

from __future__ import annotations

from resource_tracker.dataclass import replace
from resource_tracker.flows.closing import closing_line
from resource_tracker.recommend import recommend
from resource_tracker.records import (
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    TaskRecord,
)
from resource_tracker.report.verdict import verdict
from resource_tracker.testing import fake_record
from resource_tracker.units import kib_to_whole_mb, mb_to_kib

NOBODY_ASKED = ResourceRequest(cpu=1.0, memory_mb=4096.0)


def record_of(request: ResourceRequest, *, memory_mb: float, cores: float | None = 0.4) -> TaskRecord:
    """A step that took so much at most, with the advice for it."""
    record = fake_record("hour")
    usage = replace(
        record.usage,
        memory_peak_kib=mb_to_kib(memory_mb),
        persist_memory_peak_kib=mb_to_kib(memory_mb),
        cpu_p95_cores=cores,
        cpu_max_cores=cores,
        cpu_mean_cores=cores,
    )
    none_before = History(available=False, reason="this is the first run")
    advice = recommend(usage, none_before, request, record.outcome, Limits())
    return replace(record, request=request, usage=usage, limits=Limits(), history=none_before, recommendation=advice)


def asked(memory_mb: float, cpu: float = 1.0) -> ResourceRequest:
    return ResourceRequest(cpu=cpu, memory_mb=memory_mb, decorators=("resources",), written_in=("resources",))


def test_a_request_that_nobody_made_is_not_named() -> None:
    """Metaflow's defaults are in force only where a decorator asks for them."""
    line = closing_line(record_of(NOBODY_ASKED, memory_mb=726.2), None)
    assert line.startswith("[track_resources] peak memory 726 MB, up to 0.4 CPUs | next time @resources(")
    line = closing_line(record_of(asked(1000.0, 2.0), memory_mb=726.2), None)
    assert line.startswith("[track_resources] peak memory 726 of 1000 MB, up to 0.4 of 2 CPUs | ")


def test_hardly_any_cpu_is_not_none() -> None:
    """A step that waits uses some: 0.0 would read as a fault of the measurement. What was not measured is not said."""
    assert ", up to <0.1 of 1 CPU |" in closing_line(record_of(asked(1000.0), memory_mb=700, cores=0.02), None)
    assert "CPUs" not in closing_line(record_of(asked(1000.0), memory_mb=700, cores=None), None).partition("|")[0]


def test_more_than_was_asked_for_is_no_part_of_it() -> None:
    """A local run is not held to its request: 5.46 of 2 CPUs would read as a fault."""
    line = closing_line(record_of(asked(500.0, 2.0), memory_mb=700, cores=5.46), None)
    assert "peak memory 700 MB (500 asked for), up to 5.5 CPUs (2 asked for) |" in line


def test_more_memory_than_asked_for_has_its_reason() -> None:
    """The headline of the card; of a request that suffices nothing is said."""
    record = record_of(asked(720.0), memory_mb=700.0)
    assert isinstance(record.recommendation, Recommendation) and record.recommendation.memory_mb > 720
    assert verdict(record, record.recommendation) == "Memory came close to the request"
    assert closing_line(record, None).endswith(") (memory came close to the request)")
    assert closing_line(record_of(asked(1000.0), memory_mb=700.0), None).endswith("@resources(cpu=1, memory=896)")


def test_no_advice_says_why_and_how_to_open_the_card_comes_last() -> None:
    """Where there is no line to paste there is the reason."""
    record = replace(record_of(asked(720.0), memory_mb=700.0), recommendation=NoRecommendation(reason="nothing known"))
    assert closing_line(record, "card: show it").endswith(" | nothing known | card: show it")


def test_the_peak_is_rounded_as_everywhere() -> None:
    """To the nearest: 208.2 MB are 208 MB in the line and in the reason."""
    record = record_of(asked(1000.0), memory_mb=208.2)
    assert isinstance(record.recommendation, Recommendation)
    assert kib_to_whole_mb(mb_to_kib(208.2)) == 208
    assert "peak memory 208 of" in closing_line(record, None)
    assert "208 MB (this attempt)" in record.recommendation.reasons["memory"]


def test_what_a_failed_attempt_says_of_its_advice() -> None:
    """A floor, as the card has it; also where more is advised since the attempt before ran out of memory."""
    record = record_of(asked(300.0), memory_mb=35.0)
    assert isinstance(record.recommendation, Recommendation)
    failed = replace(record, outcome=Outcome(status="failed"), recommendation=Recommendation(cpu=1, memory_mb=960))
    assert closing_line(failed, None).endswith(" | next time at least @resources(cpu=1, memory=960)")
