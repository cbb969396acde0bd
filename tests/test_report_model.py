"""What the card says, for attempts of every kind."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.errors import SettingError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.memory_need import LEAST_MB, LEAST_TOLD
from resource_tracker.recommend import recommend
from resource_tracker.records import (
    History,
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
from resource_tracker.units import mb_to_kib

OK = Outcome(status="ok")


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


def test_advice_and_prices_of_fakes_are_real():
    """What a fake's card advises and offers is what the package gives: no picture contradicts the product."""
    hour, failed = fake_record("hour"), fake_record("failed")
    assert hour.recommendation == recommend(
        hour.usage, hour.history, hour.request, hour.outcome, hour.limits, server=hour.server
    )
    assert {offer.instance.architecture for offer in hour.pricing.offers} == {"x86_64"}
    assert not any(offer.instance.burstable for offer in hour.pricing.offers)
    assert failed.recommendation.memory_mb > failed.request.memory_mb


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


def test_a_length_that_nobody_knows_is_not_told():
    """Of a task that was killed with all that watched it before the first row, nobody saw how long it ran."""
    record = fake_record("oom")
    unknown = replace(record, usage=replace(record.usage, duration_s=0.0))
    assert build_card(unknown).duration == "length not known"
    assert build_card(record).duration != "length not known"


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
        (ResourceRequest(cpu=1, memory_mb=3_900), (2, 4_000), "Memory and CPU use came close to the request"),
        (ResourceRequest(cpu=2, memory_mb=2_000), (2, 4_000), "Memory went beyond the request"),
        (ResourceRequest(cpu=2, memory_mb=4_000, gpu=1), (2, 4_000), "Requested GPUs that it needs"),
        (ResourceRequest(), (2, 4_000), "What to request next time"),
    ],
)
def test_verdict(request_, advised, verdict):
    """One line sets the advice against the request."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=3_200_000, cpu_p95_cores=0.97)
    advice = Recommendation(cpu=advised[0], memory_mb=advised[1])
    card = build_card(fake_record("short", usage=usage, request=request_, recommendation=advice))
    assert card.advice.verdict == verdict
    assert card.advice.code == advice.as_text()


@pytest.mark.parametrize(
    ("peak_mb", "earlier_mb", "outcome", "verdict"),
    [
        (59, 6_040, OK, "Earlier runs needed up to 6.04 GB: more than you ask for"),
        (59, 1_900, OK, "Earlier runs needed up to 1.90 GB: close to what you ask for"),
        (1_700, 6_040, OK, "Memory came close to the request"),
        (2_001, 6_040, OK, "Memory went beyond the request"),
        (59, None, OK, "The request may be too little"),
        (59, 80, OK, "The request may be too little"),
        (345, None, Outcome(status="failed", exception_type="MemoryError"), "It ran out of memory"),
        (345, 80, Outcome(status="failed", exception_type="KeyError"), "Request at least"),
        (345, 6_040, Outcome(status="failed"), "Earlier runs needed up to 6.04 GB: more than you ask for"),
    ],
)
def test_too_little_is_said_by_what_shows_it(peak_mb, earlier_mb, outcome, verdict):
    """Advice above the request does not mean that this attempt came near it: an earlier one may have, or it failed."""
    record = fake_record(
        "short",
        usage=UsageSummary(duration_s=10, memory_peak_kib=mb_to_kib(peak_mb), cpu_p95_cores=0.5),
        request=ResourceRequest(cpu=2, memory_mb=2_000),
        outcome=outcome,
        history=History(available=earlier_mb is not None, max_memory_max=earlier_mb and mb_to_kib(earlier_mb)),
        recommendation=Recommendation(cpu=1, memory_mb=11_500),
    )
    assert plain(build_card(record).advice.verdict) == verdict


def test_what_was_killed_for_memory_did_not_only_come_close():
    """Where the kernel ended it, which stands above, the headline says what to do, whatever the peak that was seen."""
    record = fake_record("oom")
    short_of = replace(record, usage=replace(record.usage, memory_peak_kib=mb_to_kib(9_000)))
    assert [build_card(one).advice.verdict for one in (record, short_of)] == ["Request more memory"] * 2


def test_earlier_runs_tell_of_cpus_too():
    """An attempt that used one CPU of four does not explain advice for eight."""
    record = fake_record("hour")
    busy = replace(record.history, tasks=tuple(replace(t, cpu_p95_cores=7.2) for t in record.history.tasks))
    record = replace(
        record,
        usage=replace(record.usage, cpu_p95_cores=1.0),
        request=ResourceRequest(cpu=4),
        history=busy,
        recommendation=Recommendation(cpu=8, memory_mb=5_000),
    )
    assert plain(build_card(record).advice.verdict) == "Earlier runs used up to 7.2 CPUs: more than you ask for"


def sentences(record):
    return plain(" ".join(build_card(record).advice.sentences))


def test_advice_names_peak_and_request_only():
    """One share in the head would seem to contradict the headroom, which stands beside the scale with its reason."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=1e9 / 1024)
    advice = Recommendation(cpu=1, memory_mb=1250, basis_memory_kib=1e9 / 1024, based_on_runs=3)
    record = fake_record("short", usage=usage, recommendation=advice)
    assert sentences(record) == "Memory peaked at 1.00 GB of 16.0 GB requested. Based on this and 2 earlier runs."


def test_advice_says_when_it_is_the_least_there_is():
    """256 MB for a step of 40 MB has one reason, and it is not the peak."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=40_000)
    told = {"memory": f"{LEAST_TOLD}, as starting the container takes that."}
    advised = Recommendation(cpu=1, memory_mb=LEAST_MB, reasons=told)
    record = fake_record("short", usage=usage, recommendation=advised)
    assert "; 256 MB is the least that is advised." in sentences(record)
    assert "the least" not in sentences(fake_record("hour"))


@pytest.mark.parametrize(("status", "word"), [("failed", "did not succeed"), ("unknown", "may not have succeeded")])
def test_advice_of_a_failed_attempt_is_a_lower_bound(status, word):
    """Who did not come to its end may have needed more: neither "too much" nor "fits" is said of the request."""
    record = fake_record("hour", outcome=Outcome(status=status))
    assert build_card(record).advice.verdict == "Request at least"
    assert f"At least that, based on this and 5 earlier runs: the attempt {word}" in sentences(record)


@pytest.mark.parametrize(
    ("own_mib", "saving_mib", "said"), [(488, 1562, True), (488, 500, False), (40, 47, False), (40, 49, True)]
)
def test_advice_says_when_saving_was_the_peak(own_mib, saving_mib, said):
    """A step that needs most while its artifacts are saved says so, unless that is within 5 % or 8 MiB."""
    usage = UsageSummary(duration_s=10, memory_peak_kib=own_mib * 1024, persist_memory_peak_kib=saving_mib * 1024)
    assert ("while its artifacts were saved" in sentences(fake_record("short", usage=usage))) is said


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
    pricing = fake_record("hour").pricing
    own, cheapest = replace(pricing.own, run_cost_usd=0.384), replace(pricing.offers[0], run_cost_usd=0.1344)
    pricing = replace(pricing, own=own, offers=(cheapest,), run_cost_usd=0.384, saving_usd=0.2496)
    lines = build_card(fake_record("hour", pricing=pricing)).money.lines
    assert [(line.label, plain(line.value)) for line in lines] == [
        ("This run", "$0.38"),
        ("Cheapest that fits", "$0.13"),
        ("Saving", "65 %"),
    ]


def test_assumed_prices_are_called_so():
    """Where the vendor is unknown there is no cost of the run, and the region is named as assumed."""
    money = build_card(fake_record("assumed_region")).money
    assert money.assumed == "AWS us-east-1"
    assert [plain(line.label) for line in money.lines] == ["1000 runs on the cheapest that fits"]


def test_costs_below_a_cent_are_those_of_a_thousand_runs():
    """Five times $0.0002 compares nothing; head and table say the same, and the terminal's figure stays that of one."""
    card = build_card(fake_record("short"))
    labels = [plain(line.label) for line in card.money.lines]
    assert labels == ["1000 runs here", "1000 runs on the cheapest that fits", "Saving"]
    assert plain(card.offers.cost_label) == "1000 runs"
    assert card.money.lines[0].value == card.offers.rows[0].cost == "$1.06"
    assert card.offers.rows[0].run_cost == "$0.0011"
    assert plain(card.comparison.metrics[-1].name) == "Cost of 1000 runs" and card.comparison.metrics[-1].now == "$1.06"


def test_vendors_are_named_as_in_the_rest_of_the_page():
    """The note of the price lookup has the catalog's short names, the page the vendors' own."""
    note = "The catalog has no prices for hcloud: prices of aws us-east-1 are shown instead. See aws-prices."
    pricing = replace(fake_record("hour").pricing, note=note, spot_usd=None)
    assert build_card(fake_record("hour", pricing=pricing)).offers.note == (
        "The catalog has no prices for Hetzner: prices of AWS us-east-1 are shown instead. See aws-prices."
    )


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
    assert mark_of(record, "memory", "peak").at > 30


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


def test_only_what_is_worse_is_coloured():
    """More than 20 % longer, larger or dearer than usual stands out; less does not, nor does a busier CPU."""
    record = fake_record("hour")
    usage = record.usage
    more = replace(
        usage,
        duration_s=usage.duration_s * 1.5,
        memory_peak_kib=usage.memory_peak_kib * 1.05,
        cpu_mean_cores=usage.cpu_mean_cores * 3,
    )
    pricing = replace(record.pricing, run_cost_usd=record.pricing.run_cost_usd / 3)
    metrics = build_card(replace(record, usage=more, pricing=pricing)).comparison.metrics
    assert [(metric.name, metric.worse) for metric in metrics] == [
        ("Duration", True),
        ("Peak memory", False),
        ("Mean CPU", False),
        ("Cost", False),
    ]


def test_a_running_step_shows_earlier_runs_alone():
    """Half an attempt is compared with nothing, and updates of the page leave the table as it is."""
    compared = build_card(fake_record("running_long")).comparison
    assert compared.summary.endswith("; this one follows when it has ended") and compared.metrics
    assert {(row.this, row.now, row.change) for row in compared.metrics} == {(None, "–", "–")}


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
    pricing = replace(fake_record("hour").pricing, catalog_source="a catalog", catalog_date="2026-11-01")
    table = build_card(fake_record("hour", pricing=pricing)).offers
    assert [row.own for row in table.rows] == [True] + [False] * 5
    assert table.rows[0].bar == 100 and all(row.bar < 100 for row in table.rows[1:])
    assert table.caption == "AWS us-east-1, on-demand prices, a catalog, as of 2026-11-01"
    assert not table.with_gpu and build_card(fake_record("gpu")).offers.with_gpu


def test_machines_elsewhere_stand_apart():
    """Those of any place that are not in the list already, each with its place; nothing where there are none."""
    pricing = fake_record("hour").pricing
    table = build_card(fake_record("hour")).offers
    assert [row.name for row in table.anywhere] == [offer.instance.name for offer in pricing.offers_anywhere]
    assert all(row.elsewhere and row.where.startswith("AWS ") and not row.own for row in table.anywhere)
    assert table.anywhere_title == f"Cheapest elsewhere, prices as of {pricing.anywhere_date}"
    mixed = replace(pricing, anywhere_date="2020-08-30", anywhere_newest_date="2026-11-18")
    title = build_card(fake_record("hour", pricing=mixed)).offers.anywhere_title
    assert title == "Cheapest elsewhere, prices as of 2020-08-30 to 2026-11-18"
    same = replace(pricing, offers_anywhere=pricing.offers[:2])
    assert build_card(fake_record("hour", pricing=same)).offers.anywhere == ()


def test_another_time_and_a_share_are_said_in_the_row():
    """A machine on which the step takes twice as long says so; of a shared one, how much of it counts."""
    pricing = fake_record("hour").pricing
    slow = replace(pricing.offers[0], run_hours=2.0)
    table = build_card(fake_record("hour", pricing=replace(pricing, offers=(slow,), own_share=0.25))).offers
    assert [tuple(plain(tag) for tag in row.tags) for row in table.rows] == [("25 % of it",), ("in 2 h",)]


def test_spot_is_called_an_estimate():
    """Its figure goes with those of the table, of one run or of a thousand."""
    pricing = replace(fake_record("hour").pricing, note=None, spot_usd=0.0712)
    assert build_card(fake_record("hour", pricing=pricing)).offers.note.startswith("On spot, about $0.07 on the cheap")
    short = build_card(fake_record("short")).offers.note
    assert "On spot, 1000 runs would cost about $" in plain(short) and "estimate" in short
    least = build_card(fake_record("tiny", pricing=replace(fake_record("tiny").pricing, spot_usd=1e-9))).offers.note
    assert "1000 runs would cost less than $0.0001 on the cheapest" in plain(least)


def test_failed_sources_are_listed_with_their_reason():
    """A source that gave nothing is named, with why and how often."""
    missing = build_card(fake_record("failed")).missing
    assert [(fact.label, fact.text) for fact in missing] == [("/proc/PID/io", "permission denied (754×)")]


@pytest.mark.parametrize("lower_bound", [True, False])
def test_lower_bounds_are_called_so(lower_bound):
    """CPU time that may have missed processes carries a sign, and the small print says why; other CPU time does not."""
    record = fake_record("hour")
    card = build_card(replace(record, usage=replace(record.usage, cpu_is_lower_bound=lower_bound)))
    assert card.totals[0].label == "CPU time" and card.totals[0].text.startswith("≥ ") is lower_bound
    source = next(fact.text for fact in card.method if fact.label == "CPU from")
    assert ("a lower bound" in source) is lower_bound


def test_totals_say_what_is_the_machines():
    """The network's share of the step is not known, so its traffic is called the machine's; so is an unknown disk's."""
    record = fake_record("hour")
    labels = [fact.label for fact in build_card(record).totals]
    assert labels == ["CPU time", "Read", "Written", "Processes", "Threads", "Machine received", "Machine sent"]
    usage = replace(record.usage, process_read_bytes=None, disk_read_bytes=5e6)
    read = build_card(replace(record, usage=usage)).totals[1]
    assert (read.label, plain(read.text)) == ("Machine read", "5.00 MB")


def test_growth_of_disk_and_shared_memory_is_told():
    """What the step put on the disk and into /dev/shm stands among the totals; a few bytes are not worth a word."""
    record = fake_record("hour")
    grown = replace(record.usage, disk_growth_gb=1.92, shared_memory_peak_kib=40 * 1024.0)
    facts = build_card(replace(record, usage=grown)).totals[-2:]
    assert [(fact.label, plain(fact.text)) for fact in facts] == [
        ("Machine's disk grew by", "1.92 GB"),
        ("Shared memory grew by", "41.9 MB"),
    ]
    little = replace(record.usage, disk_growth_gb=0.0001, shared_memory_peak_kib=4.0)
    assert build_card(replace(record, usage=little)).totals == build_card(record).totals


@pytest.mark.parametrize(
    ("size", "source", "shown"),
    [(5e9, "artifacts", "5.00 GB"), (440, "artifacts", None), (440, "self.n", "440 B"), (None, "self.n", None)],
)
def test_the_input_is_told(size, source, shown):
    """Its size and where that is from; some parameters are not worth a word, what the user told is."""
    record = fake_record("hour")
    card = build_card(replace(record, usage=replace(record.usage, input_bytes=size, input_source=source)))
    assert [plain(fact.text) for fact in card.totals if fact.label == "Input"] == ([shown] if shown else [])
    assert [fact.text for fact in card.method if fact.label == "Input size from"] == (
        [] if shown is None else ["the artifacts that the step began with" if source == "artifacts" else source]
    )


def test_the_cpu_scale_says_what_its_peak_is():
    """The busiest row: a second in a short attempt, longer where rows were merged. Memory's needs no such word."""
    assert [scale.hint for scale in scales(fake_record("short"))] == ["peak: busiest second", ""]
    assert plain(scales(fake_record("day"))[0].hint) == "peak: busiest 42.2 s"


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


def test_what_tracking_cost():
    """The card says what tracking was allowed, what most of it went into, and that rows got longer for its sake."""
    record = fake_record("hour")
    facts = {fact.label: plain(fact.text) for fact in build_card(record).method}
    assert facts["Allowed for tracking"] == "0.5 % of one core, the start aside"
    assert " of one core)" in facts["The tracker's own cost"]
    tiny = {fact.label: plain(fact.text) for fact in build_card(fake_record("tiny")).method}
    assert "CPU time, " in tiny["The tracker's own cost"]
    assert facts["Spent on"].startswith("finding and reading processes ")
    assert facts["Readings"] == "36,000 in 3,600 rows"
    slow = replace(record, tracking=replace(record.tracking, cost=replace(record.tracking.cost, rows=900)))
    facts = {fact.label: plain(fact.text) for fact in build_card(slow).method}
    assert facts["Readings"] == "36,000 in 900 rows, 4 s each: more of them would cost more than is allowed"


def test_what_tracking_cost_in_earlier_versions():
    """A record that does not say what was spent on what, nor what was allowed, has a card without these lines."""
    record = fake_record("hour")
    older = replace(record.tracking, cost=replace(record.tracking.cost, by_source=None), overhead_budget=None)
    labels = {fact.label for fact in build_card(replace(record, tracking=older)).method}
    assert labels.isdisjoint({"Spent on", "Allowed for tracking"})
    assert "The tracker's own cost" in labels


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


def without(frame, *names):
    return TinyDataFrame({name: [0.0] * len(frame) if name in names else frame[name] for name in frame.columns})


@pytest.mark.parametrize(
    ("process", "system", "charts", "sentence"),
    [
        ((), (), ["disk_read", "disk_write", "net_recv", "net_sent"], ""),
        (("read_bytes",), (), ["disk_read", "disk_write", "net_recv", "net_sent"], ""),
        (
            ("read_bytes", "write_bytes"),
            ("net_recv_bytes", "net_sent_bytes"),
            [],
            "Not drawn: disk reads and writes of the step (none), network traffic (none).",
        ),
    ],
)
def test_charts_of_nothing_become_a_sentence(process, system, charts, sentence):
    """A step without disk or network has no empty charts of them, even if its machine was busy with its disk."""
    record = fake_record("hour")
    card = build_card(
        replace(
            record,
            process_metrics=without(record.process_metrics, *process),
            system_metrics=without(record.system_metrics, *system),
        )
    )
    assert [chart["id"] for chart in card.data["charts"]] == ["cpu", "memory", *charts]
    assert card.quiet == card.data["texts"]["quiet"] == sentence


def test_the_spike_of_one_row_is_in_the_data():
    """The memory peak of one row in 2048 is what the chart's peak line reaches."""
    from test_report_series import unpack

    record = fake_record("day")
    memory = next(chart for chart in card_data(record)["charts"] if chart["id"] == "memory")
    peak = next(series for series in memory["series"] if series["who"] == "peak")
    assert max(unpack(peak["data"])) == pytest.approx(record.usage.memory_peak_kib * 1024, rel=4.1e-4)
