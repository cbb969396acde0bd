"""What the card says, for attempts of every kind."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.errors import SettingError
from resource_tracker.records import (
    Limits,
    NoRecommendation,
    Outcome,
    Pricing,
    Recommendation,
    ResourceRequest,
    UsageSummary,
)
from resource_tracker.report.model import build_card, card_data
from resource_tracker.report.scales import MARKS, nice_step, scales
from resource_tracker.testing import SITUATIONS, fake_record


def plain(text):
    return text.replace("\u00a0", " ")


def mark_of(record, key, kind):
    scale = next(scale for scale in scales(record) if scale.key == key)
    return next(mark for mark in scale.marks if mark.kind == kind)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_situation_has_a_card(situation):
    """Whatever happened, there is a card, its data is JSON without nan, and no text says None or nan."""
    card = build_card(fake_record(situation))
    assert json.loads(json.dumps(card.data, allow_nan=False)) == json.loads(json.dumps(card.data))
    texts = json.dumps(card._replace(data={}))
    assert "None" not in texts and "nan" not in texts
    assert card.advice.verdict and card.badge.text


def test_unknown_situation_is_an_error_that_lists_those_there_are():
    """A misspelt situation says what could have been meant."""
    with pytest.raises(SettingError, match=r"no situation 'houre'.*hour"):
        fake_record("houre")


def test_fakes_say_that_they_are_made_up():
    """A picture made from a fake never passes for a measurement."""
    assert all(fake_record(situation).versions["data"] == "synthetic" for situation in SITUATIONS)


# --- head --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "text", "tone"),
    [
        (Outcome(status="ok"), "Succeeded", "good"),
        (Outcome(status="running"), "Running", "live"),
        (Outcome(status="unknown"), "Outcome unknown", "neutral"),
        (Outcome(status="failed"), "Failed", "bad"),
        (Outcome(status="failed", exception_type="KeyError"), "Failed: KeyError", "bad"),
        (Outcome(status="failed", exception_type="KeyError", caught=True), "Failed: KeyError (caught)", "bad"),
    ],
)
def test_badge(outcome, text, tone):
    """The badge names the outcome, with the exception and whether the flow went on."""
    badge = build_card(fake_record("short", outcome=outcome)).badge
    assert (badge.text, badge.tone) == (text, tone)


def test_head_names_flow_run_step_and_task():
    """The step is the title; what leads to it stands above."""
    card = build_card(fake_record("short", pathspec="Flow/12/fit/34", attempt=2))
    assert (card.crumbs, card.title, card.attempt) == (("Flow", "12", "34"), "fit", "attempt 2")


def test_a_standalone_run_is_named_by_its_title():
    """Without a flow there is no path, and nothing in its place."""
    card = build_card(fake_record("standalone"))
    assert (card.crumbs, card.title) == ((), "python train.py --epochs 3")


@pytest.mark.parametrize(
    ("request_", "advised", "verdict"),
    [
        (ResourceRequest(cpu=4, memory_mb=16_000), (1, 4_000), "Requested 4× the memory and 4× the CPUs it needs"),
        (ResourceRequest(cpu=2, memory_mb=16_000), (2, 4_000), "Requested 4× the memory it needs"),
        (ResourceRequest(cpu=2, memory_mb=4_500), (2, 4_000), "The request fits"),
        (ResourceRequest(cpu=2, memory_mb=3_900), (2, 4_000), "Memory came close to the request"),
        (ResourceRequest(cpu=1, memory_mb=3_900), (2, 4_000), "Memory and CPUs came close to the request"),
        (ResourceRequest(cpu=2, memory_mb=2_000), (2, 4_000), "Memory went beyond the request"),
        (ResourceRequest(cpu=2, memory_mb=4_000, gpu=1), (2, 4_000), "Requested GPUs that it needs"),
        (ResourceRequest(), (2, 4_000), "What to request next time"),
    ],
)
def test_verdict(request_, advised, verdict):
    """One line sets the advice against the request."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=3_200_000)
    advice = Recommendation(cpu=advised[0], memory_mb=advised[1])
    card = build_card(fake_record("short", usage=usage, request=request_, recommendation=advice))
    assert card.advice.verdict == verdict
    assert card.advice.code == advice.as_text()


def test_advice_explains_its_headroom():
    """The sentence names peak, request and what the advice leaves above the peak."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=1e9 / 1024)
    advice = Recommendation(cpu=1, memory_mb=1250, basis_memory_kib=1e9 / 1024, based_on_runs=3)
    record = fake_record("short", usage=usage, recommendation=advice)
    assert plain(" ".join(build_card(record).advice.sentences)) == (
        "Memory peaked at 1.00 GB of 16.0 GB requested; the advice leaves 25 % above it. "
        "Based on this and 2 earlier runs."
    )


def test_advice_says_when_saving_was_the_peak():
    """A step that needs most while its artifacts are saved says so: the code alone would not explain the number."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=5e5, persist_memory_peak_kib=1.6e6)
    sentence = build_card(fake_record("short", usage=usage)).advice.sentences[0]
    assert "while its artifacts were saved" in sentence


@pytest.mark.parametrize(
    ("situation", "verdict", "sentence"),
    [
        ("untracked", "This step was not measured", "No directory for measurements"),
        ("running", "Measuring", "Advice follows"),
    ],
)
def test_no_advice_says_why(situation, verdict, sentence):
    """Where there is nothing to paste, there is a reason instead."""
    advice = build_card(fake_record(situation)).advice
    assert (advice.verdict, advice.code) == (verdict, None)
    assert advice.sentences[0].startswith(sentence)


def test_no_recommendation_shows_its_reason_as_a_sentence():
    """The reason is set as one: with a capital and a full stop."""
    card = build_card(fake_record("short", recommendation=NoRecommendation(reason="the step ran for 2 ms only")))
    assert card.advice.sentences == ("The step ran for 2 ms only.",)


def test_money_shows_cost_cheapest_and_saving():
    """Three figures with the same number of decimals, and the share that would be saved."""
    lines = build_card(fake_record("hour")).money.lines
    assert [(line.label, plain(line.value)) for line in lines] == [
        ("This run", "$0.38"),
        ("Cheapest that fits", "$0.13"),
        ("Saving", "65 %"),
    ]


def test_assumed_prices_are_called_so():
    """Where the vendor is unknown there is no cost of the run, and the region is named as assumed."""
    money = build_card(fake_record("assumed_region")).money
    assert money.assumed == "AWS us-east-1"
    assert [line.label for line in money.lines] == ["Cheapest that fits"]


def test_no_saving_is_not_announced():
    """A run that was on the cheapest machine already is told nothing of saving."""
    pricing = replace(fake_record("hour").pricing, saving_usd=-0.01)
    money = build_card(fake_record("hour", pricing=pricing)).money
    assert "Saving" not in [line.label for line in money.lines]
    assert build_card(fake_record("hour", pricing=Pricing())).money is None


# --- scales ------------------------------------------------------------------------------------


def test_scales_show_gpus_only_where_there_is_one():
    """Without a GPU the card does not speak of them."""
    assert [scale.key for scale in scales(fake_record("hour"))] == ["cpu", "memory"]
    assert [scale.key for scale in scales(fake_record("gpu"))] == ["cpu", "memory", "gpu", "vram"]


def test_every_scale_has_every_mark_in_the_same_order():
    """A live update finds the place of a mark also where it had none before."""
    assert all([mark.kind for mark in scale.marks] == list(MARKS) for scale in scales(fake_record("untracked")))


@given(
    used=st.floats(min_value=1, max_value=1e9),
    requested=st.floats(min_value=1, max_value=1e6),
    limit=st.floats(min_value=1, max_value=1e7),
)
def test_marks_stand_in_the_order_of_their_values(used, requested, limit):
    """On one scale more is further right, nothing leaves it, and what is used is never pushed beyond the end."""
    usage = UsageSummary(duration_s=1, memory_peak_kib=used, memory_mean_kib=used / 2)
    record = fake_record(
        "tiny",
        usage=usage,
        request=ResourceRequest(memory_mb=requested),
        limits=Limits(memory_mib=limit),
        recommendation=NoRecommendation(reason="none"),
    )
    peak, mean = mark_of(record, "memory", "peak"), mark_of(record, "memory", "mean")
    asked, allowed = mark_of(record, "memory", "requested"), mark_of(record, "memory", "limit")
    assert 0 <= mean.at <= peak.at < 100 and not peak.beyond
    assert (asked.at >= peak.at - 0.01) == (requested * 1e6 >= used * 1024 * (1 - 1e-4)) or math.isclose(
        asked.at, peak.at, abs_tol=0.02
    )
    assert allowed.beyond == (allowed.at == 100 and limit * 2**20 > 0)


def test_a_far_limit_does_not_squeeze_the_rest():
    """A limit of 64 GiB beside 3 GB of use stands at the end as an arrow instead of flattening the scale."""
    record = fake_record("hour", limits=Limits(memory_mib=65_536), request=ResourceRequest(memory_mb=4_000))
    limit = mark_of(record, "memory", "limit")
    assert limit.beyond and limit.at == 100
    assert plain(limit.text) == "68.7 GB"
    assert mark_of(record, "memory", "peak").at > 50


def test_scales_with_nothing_known_are_not_shown():
    """No mark, no picture."""
    record = fake_record(
        "untracked", request=ResourceRequest(), limits=Limits(), recommendation=NoRecommendation(reason="x")
    )
    assert not any(scale.shown for scale in scales(record))


@given(st.floats(min_value=1e-9, max_value=1e18))
def test_nice_steps(rough):
    """Ticks stand at 1, 2 or 5 times a power of ten."""
    step = nice_step(rough)
    assert rough * (1 - 1e-6) <= step <= rough * 2.5 * (1 + 1e-6)
    assert f"{step:.0e}"[0] in "125"


# --- the rest ----------------------------------------------------------------------------------


def test_history_sets_this_run_against_the_usual_one():
    """Each metric has its columns, oldest first, the median, and the change."""
    comparison = build_card(fake_record("hour")).comparison
    duration = comparison.metrics[0]
    assert [metric.name for metric in comparison.metrics] == ["Duration", "Peak memory", "Mean CPU", "Cost"]
    assert len(duration.bars) == 5 and duration.this.x > duration.bars[-1].x > duration.bars[0].x
    assert plain(comparison.summary) == "5 earlier runs"


def test_history_counts_all_tasks_of_a_foreach():
    """The figures count every task; only so many are drawn that they can be told apart."""
    comparison = build_card(fake_record("foreach")).comparison
    assert plain(comparison.summary) == "5 earlier runs, 100 tasks"
    assert len(comparison.metrics[0].bars) == 40


@pytest.mark.parametrize(
    ("situation", "sentence"),
    [
        ("first_run", "This is the first finished run of this step, so there is nothing to compare with."),
        ("no_history", "The metadata service did not answer within 5 s."),
    ],
)
def test_no_history_says_why(situation, sentence):
    """Nothing to compare with is said plainly."""
    comparison = build_card(fake_record(situation)).comparison
    assert (comparison.summary, comparison.metrics) == (sentence, ())


def test_offers_start_with_the_machine_it_ran_on():
    """The own machine stands on top and sets the measure for the bars."""
    table = build_card(fake_record("hour")).offers
    assert [row.own for row in table.rows] == [True] + [False] * 5
    assert table.rows[0].bar == 100 and all(row.bar < 100 for row in table.rows[1:])
    assert table.caption == "AWS us-east-1, on-demand prices, bundled catalog, as of 2026-11-01"
    assert not table.with_gpu and build_card(fake_record("gpu")).offers.with_gpu


def test_failed_sources_are_listed_with_their_reason():
    """A source that gave nothing is named, with why and how often."""
    missing = build_card(fake_record("failed")).missing
    assert [(fact.label, fact.text) for fact in missing] == [("/proc/PID/io", "permission denied (754×)")]


def test_lower_bounds_are_called_so():
    """CPU time that may have missed processes carries a sign."""
    total = build_card(fake_record("hour")).totals[0]
    assert total.label == "CPU time" and total.text.startswith("≥ ")


def test_request_tells_choices_from_defaults():
    """A value that the user did not write is marked as Metaflow's default."""
    request = ResourceRequest(cpu=1, memory_mb=4096, chosen=("memory",), decorators=("resources",))
    facts = {fact.label: fact.text for fact in build_card(fake_record("short", request=request)).method}
    assert facts["Request"] == "@resources: cpu=1 (default), memory=4096"


def test_lines_name_request_and_limit_once_where_they_are_the_same():
    """A granted request is its own limit: one line in the chart says both."""
    lines = {
        chart["id"]: [line["kind"] for line in chart["lines"]] for chart in card_data(fake_record("hour"))["charts"]
    }
    assert lines["cpu"] == ["requested"] and lines["memory"] == ["requested"]
    other = card_data(fake_record("hour", limits=Limits(cpus=2, memory_mib=30_000)))
    assert [line["kind"] for line in other["charts"][0]["lines"]] == ["requested", "limit"]


def test_charts_leave_out_what_was_not_measured():
    """No GPU, no GPU charts; nothing measured, no charts."""
    assert [chart["id"] for chart in card_data(fake_record("hour"))["charts"]] == [
        "cpu",
        "memory",
        "disk_read",
        "disk_write",
        "net_recv",
        "net_sent",
    ]
    assert card_data(fake_record("untracked"))["charts"] == []


def test_the_spike_of_one_row_is_in_the_data():
    """The memory peak of one row in 2048 is what the chart's peak line reaches."""
    from test_report_series import unpack

    record = fake_record("day")
    memory = next(chart for chart in card_data(record)["charts"] if chart["id"] == "memory")
    peak = next(series for series in memory["series"] if series["who"] == "peak")
    assert max(unpack(peak["data"])) == pytest.approx(record.usage.memory_peak_kib * 1024, rel=2e-4)
