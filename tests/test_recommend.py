"""The advice: rules, reasons, and properties that hold for any input."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.dataclass import replace
from resource_tracker.memory_need import LEAST_TOLD
from resource_tracker.needs import CPU_TOLERANCE
from resource_tracker.recommend import Observation, recommend, recommend_memory, round_up_mb
from resource_tracker.records import (
    EarlierAttempt,
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    TaskSummary,
    UsageSummary,
)

OK = Outcome(status="ok")
FAILED = Outcome(status="failed", exception_type="ValueError")
NO_HISTORY = History(available=False, reason="first run")
MIB = 1024


def usage(peak_mib=500.0, persist_mib=500.0, cpu=1.0, duration_s=60.0, **more):
    return UsageSummary(
        duration_s=duration_s,
        memory_peak_kib=None if peak_mib is None else peak_mib * MIB,
        persist_memory_peak_kib=None if persist_mib is None else persist_mib * MIB,
        cpu_max_cores=cpu,
        **more,
    )


def task(peak_mib, growth_mib=0.0, cpu=1.0, status="ok", run_id="1", **more):
    return TaskSummary(
        run_id=run_id,
        step="train",
        task_id=more.pop("task_id", "1"),
        attempt=0,
        status=status,
        finished_at=1.0,
        duration_s=60.0,
        memory_peak_kib=peak_mib * MIB,
        persist_growth_kib=growth_mib * MIB,
        cpu_max_cores=cpu,
        **more,
    )


def history(*tasks, **more):
    return History(available=True, runs_analyzed=len(tasks), tasks_analyzed=len(tasks), tasks=tasks, **more)


def advise(used, earlier=NO_HISTORY, request=None, outcome=OK, limits=None):
    advice = recommend(used, earlier, request or ResourceRequest(), outcome, limits or Limits())
    assert isinstance(advice, Recommendation), advice
    return advice


# --- one attempt ----------------------------------------------------------------------------------


def test_first_run_gets_the_estimate_in_mb():
    """6000 MiB once: the estimate of one observation, in MB of 10**6 bytes, up to the next multiple of 256."""
    advice = advise(usage(6000, 6000))
    assert advice.memory_mb == round_up_mb(math.ceil(recommend_memory([Observation(6000, 60.0)]).memory_mib * 1.048576))
    assert "6,291 MB" in advice.reasons["memory"] and "this attempt" in advice.reasons["memory"]
    assert advice.based_on_runs == 1 and advice.basis_memory_kib == 6000 * MIB


def test_the_least_that_is_advised_is_the_only_reason_where_it_decides():
    """A step of 33 MiB gets 256 MB, which no percentage above its peak explains; one that needs 256 MB has a peak."""
    told = advise(usage(33, 33)).reasons["memory"]
    assert told.startswith(LEAST_TOLD) and "The highest peak was 35 MB (this attempt)." in told and "%" not in told
    needs_it = advise(usage(175, 175))
    assert needs_it.memory_mb == 256 and LEAST_TOLD not in needs_it.reasons["memory"]


def test_use_above_the_request_is_explained():
    """A local run may use more CPUs than it asked for; of a step without a decorator nothing was asked for."""
    asked = ResourceRequest(cpu=2, memory_mb=4096, decorators=("resources",))
    told = advise(usage(1000, cpu=5.46), request=asked).reasons["cpu"]
    assert "used 5.46 cores" in told and "Nothing held it to the 2 it asked for." in told
    for request, cpu in ((replace(asked, decorators=()), 5.46), (asked, 2.05)):
        assert "held" not in advise(usage(1000, cpu=cpu), request=request).reasons["cpu"]


def test_runs_that_agree_need_less_headroom():
    """Five earlier runs near the highest bring the advice down; siblings of one run bring no more than that run."""
    alone = advise(usage(6000, 6000)).memory_mb
    agreeing = advise(usage(6000, 6000), history(*[task(5900, run_id=str(run)) for run in range(5)])).memory_mb
    siblings = advise(usage(6000, 6000), history(*[task(5900, task_id=str(t)) for t in range(5)])).memory_mb
    assert agreeing < siblings <= alone


def test_failed_tasks_confirm_nothing():
    """An earlier task that failed counts with its peak, but does not narrow the headroom."""
    failures = [task(5900, status="failed", run_id=str(run)) for run in range(5)]
    assert advise(usage(6000, 6000), history(*failures)).memory_mb == advise(usage(6000, 6000)).memory_mb
    assert advise(usage(600), history(task(5900, status="failed"))).basis_memory_kib == 5900 * MIB


def test_an_earlier_run_can_be_the_highest():
    """The basis is the highest peak of all runs, not that of the last."""
    advice = advise(usage(500), history(task(3000)))
    assert advice.basis_memory_kib == 3000 * MIB and "(run 1, task 1)" in advice.reasons["memory"]


def test_attempts_that_left_nothing_keep_the_memory_asked_for():
    """The card knows no more of them than anybody: no less memory than asked for, no chance, and a note."""
    request = ResourceRequest(memory_mb=4096.0, decorators=("resources",))
    kept = advise(usage(), history(task(500), lost_attempts=2), request)
    assert (kept.memory_mb, kept.expected_failure_rate) == (4096, None)
    assert "2 attempts ended unseen" in kept.notes[-1]
    none_went_well = advise(usage(), History(available=False, reason="none", lost_attempts=1), request)
    assert none_went_well.memory_mb == 4096
    assert advise(usage(), history(task(500)), request).memory_mb == 2048


def test_aggregate_history_counts_even_without_its_tasks():
    """A history that holds only the published aggregates is heeded."""
    assert advise(usage(500), History(available=True, max_memory_max=4000.0 * MIB)).basis_memory_kib == 4000 * MIB


def test_saving_the_artifacts_counts():
    """A step of 441 MiB whose artifacts took it to 1641 MiB gets advice for 1641."""
    advice = advise(usage(441, 1641))
    assert advice.basis_memory_kib == 1641 * MIB and "artifacts were saved" in advice.reasons["memory"]


def test_earlier_growth_stands_in_for_a_persist_phase_not_measured_yet():
    """While the artifacts are not saved yet, what saving added in earlier runs is added to the step's peak."""
    advice = advise(usage(500, None), history(task(400, 1200), max_persist_growth_kib=1200.0 * MIB))
    assert advice.basis_memory_kib == 1700 * MIB and "saving artifacts added earlier" in advice.reasons["memory"]


@pytest.mark.parametrize(("peak", "basis"), [(500, 564), (2000, 2200)])
def test_allowance_where_saving_was_never_measured(peak, basis):
    """With neither: the larger of 64 MiB and 10 %."""
    advice = advise(usage(peak, None))
    assert advice.basis_memory_kib == pytest.approx(basis * MIB) and "allowance" in advice.reasons["memory"]


def test_tiny_steps_get_what_starting_the_container_takes():
    """Never less than 256 MB, and the reason says why."""
    advice = advise(usage(30, 30))
    assert advice.memory_mb == 256 and "starting the container" in advice.reasons["memory"]


# --- attempts that did not end well -----------------------------------------------------------------


def test_failed_attempt_gives_a_lower_bound():
    """After a failure the advice says "at least", and leaves room above what was reached."""
    advice = advise(usage(6600, None), history(*[task(6000, run_id=str(run)) for run in range(5)]), outcome=FAILED)
    assert advice.reasons["memory"].startswith("At least")
    assert advice.memory_mb * 10**6 >= 6600 * MIB * MIB * 1.1


def test_running_attempt_says_so():
    """Live advice is labelled as such."""
    assert "not ended yet" in advise(usage(600, None), outcome=Outcome(status="running")).reasons["memory"]


@pytest.mark.parametrize("outcome", [Outcome(status="unknown"), Outcome(status="failed", exception_type="MemoryError")])
def test_out_of_memory_doubles_what_was_not_enough(outcome):
    """Killed at the limit, or a MemoryError: twice the limit."""
    advice = advise(usage(980, None), outcome=outcome, limits=Limits(memory_mib=1000.0))
    assert advice.memory_mb * 10**6 >= 2000 * MIB * MIB and "ran out of memory at 1,049 MB" in advice.reasons["memory"]


def test_no_cut_before_anything_has_succeeded():
    """Killed at a limit far below the request, as of a machine that is too small: the request is not what to lower."""
    asked = ResourceRequest(cpu=1, memory_mb=4000, decorators=("resources",), chosen=("memory",))
    killed, limit = Outcome(status="unknown"), Limits(memory_mib=400.0)
    advice = advise(usage(400, None), NO_HISTORY, asked, killed, limit)
    assert advice.memory_mb == 4000 and "Not below the 4,000 MB asked for" in advice.reasons["memory"]
    advice = advise(usage(400, None), history(task(380, run_id="1")), asked, killed, limit)
    assert advice.memory_mb == 2000


def test_the_attempt_before_counts():
    """What it ran out of memory with was not enough, however little the repeated attempt used."""
    before = EarlierAttempt(attempt=0, text="It ran out of memory.", resources=True, memory_mb=1024)
    advice = recommend(usage(200), NO_HISTORY, ResourceRequest(), OK, Limits(), before=before)
    assert isinstance(advice, Recommendation)
    assert advice.memory_mb == 1024 and "as attempt 0 of this task ran out of memory" in advice.reasons["memory"]
    assert advice.expected_failure_rate is None
    enough = recommend(usage(2000), NO_HISTORY, ResourceRequest(), OK, Limits(), before=before)
    assert isinstance(enough, Recommendation)
    assert enough == advise(usage(2000))


def test_success_at_the_limit_is_a_success():
    """Only an attempt that did not end well can have run out of memory."""
    assert advise(usage(990, 990), limits=Limits(memory_mib=1000.0)).memory_mb < 2000


# --- CPU --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("busiest", "cpu"), [(0.0, 1), (0.3, 1), (1.0, 1), (1.09, 1), (1.12, 2), (3.98, 4), (7.6, 8)])
def test_cpu_is_the_busiest_interval_rounded_up(busiest, cpu):
    """Whole cores, with a tenth of a core of tolerance, at least one."""
    assert advise(usage(cpu=busiest)).cpu == cpu


def test_cpu_heeds_earlier_runs():
    """The busiest of all runs counts, from tasks or from the aggregate."""
    assert advise(usage(cpu=1.0), history(task(100, cpu=5.5))).cpu == 6
    assert advise(usage(cpu=1.0), History(available=True, max_cpu_max=2.5)).cpu == 3


def test_cpu_at_its_limit_is_said():
    """Use of all that was allowed may be less than what it could use."""
    assert "all of the 2 it was allowed" in advise(usage(cpu=1.97), limits=Limits(cpus=2.0)).reasons["cpu"]
    assert "allowed" not in advise(usage(cpu=1.0), limits=Limits(cpus=2.0)).reasons["cpu"]


def test_cpu_lower_bound_is_said():
    """A reading that may have missed children is labelled; a step that never had any is not."""
    assert "at least this" in advise(usage(cpu_is_lower_bound=True, children_max=2)).reasons["cpu"]
    assert "at least this" not in advise(usage(cpu_is_lower_bound=True, children_max=0)).reasons["cpu"]


# --- GPU --------------------------------------------------------------------------------------------

ASKED_FOR_TWO = ResourceRequest(gpu=2)


def test_gpus_in_use_are_advised():
    """As many as were in use at once, over all runs."""
    assert advise(usage(gpu_utilized_max=1.0), request=ASKED_FOR_TWO).gpu == 1
    assert advise(usage(gpu_utilized_max=1.0), history(task(100, gpu_utilized_max=3.0))).gpu == 3


def test_unused_gpu_is_given_up():
    """Measured, successful and idle: none, and the reason says so."""
    advice = advise(usage(gpu_utilized_max=0.0, gpu_vram_max_mib=0.0), request=ASKED_FOR_TWO)
    assert advice.gpu == 0 and "Asked for 2, but no GPU was used" in advice.reasons["gpu"]


@pytest.mark.parametrize(
    ("used", "outcome", "why"),
    [
        (usage(), OK, "not measured"),
        (usage(gpu_utilized_max=0.0, gpu_vram_max_mib=300.0), OK, "held 300 MiB"),
        (usage(gpu_utilized_max=0.0), FAILED, "may not have come that far"),
        (usage(gpu_utilized_max=0.0, duration_s=1.0), OK, "too short to tell"),
    ],
)
def test_doubt_keeps_the_gpu(used, outcome, why):
    """A GPU that cannot be shown to be idle stays asked for, with the doubt named."""
    advice = advise(used, request=ASKED_FOR_TWO, outcome=outcome)
    assert advice.gpu == 2 and why in advice.reasons["gpu"]


def test_no_gpu_anywhere():
    """A step without GPUs gets none, and no ``gpu=`` in the line to paste."""
    advice = advise(usage())
    assert advice.gpu == 0 and advice.as_text() == "@resources(cpu=1, memory=704)"


# --- little or nothing measured ---------------------------------------------------------------------


def test_nothing_measured_gives_no_advice():
    """Untracked attempts give a reason instead of numbers."""
    advice = recommend(UsageSummary(duration_s=1.0), NO_HISTORY, ResourceRequest(), OK, Limits())
    assert isinstance(advice, NoRecommendation) and "measured" in advice.reason


def test_an_untracked_attempt_still_gets_advice_from_history():
    """Earlier runs suffice, and the count of runs leaves this one out."""
    advice = advise(UsageSummary(duration_s=1.0), history(task(1000), task(1000)))
    assert advice.based_on_runs == 2 and advice.basis_memory_kib == 1000 * MIB


def test_what_was_not_measured_stays_as_asked():
    """CPU alone, or memory alone, does not lose the other number."""
    request = ResourceRequest(cpu=3, memory_mb=2000)
    assert advise(usage(cpu=None), request=request).cpu == 3
    assert advise(usage(None, None, cpu=1.0), request=request).memory_mb == 2000
    nothing = recommend(usage(None, None, cpu=1.0), NO_HISTORY, ResourceRequest(), OK, Limits())
    assert isinstance(nothing, NoRecommendation)


# --- properties -------------------------------------------------------------------------------------

readings = st.one_of(st.none(), st.floats(0, 2.0**40))
anything = st.one_of(st.none(), st.floats())
statuses = st.sampled_from(["running", "ok", "failed", "unknown"])


@st.composite
def any_usage(draw, values=readings):
    names = ("memory_peak_kib", "persist_memory_peak_kib", "cpu_max_cores", "gpu_vram_max_mib", "gpu_utilized_max")
    return UsageSummary(duration_s=draw(values) or 0.0, **{name: draw(values) for name in names})


@st.composite
def any_history(draw, values=readings):
    def one():
        return TaskSummary(
            run_id="1",
            step="s",
            task_id="1",
            attempt=0,
            status=draw(statuses),
            finished_at=None,
            duration_s=1.0,
            memory_peak_kib=draw(values),
            persist_growth_kib=draw(values),
            cpu_max_cores=draw(values),
            gpu_utilized_max=draw(values),
        )

    names = ("max_memory_max", "max_persist_growth_kib", "max_cpu_max", "max_gpu_count", "max_vram_max")
    tasks = tuple(one() for _ in range(draw(st.integers(0, 3))))
    return History(available=True, tasks=tasks, runs_analyzed=len(tasks), **{name: draw(values) for name in names})


@st.composite
def any_request(draw, values=readings):
    return ResourceRequest(
        cpu=draw(values), memory_mb=draw(values), chosen=draw(st.sampled_from([(), ("memory", "cpu")]))
    )


outcomes = st.builds(Outcome, status=statuses, exception_type=st.sampled_from([None, "MemoryError", "ValueError"]))
limits = st.builds(Limits, cpus=readings, memory_mib=readings)


@given(any_usage(), any_history(), any_request(), outcomes, limits)
def test_advice_covers_everything_measured(used, earlier, request, outcome, limit):
    """Never below any measured peak, saving of artifacts included; whole CPUs within tolerance."""
    advice = recommend(used, earlier, request, outcome, limit)
    if isinstance(advice, NoRecommendation):
        return
    peaks = [used.overall_memory_peak_kib, earlier.max_memory_max]
    peaks += [t.memory_peak_kib + (t.persist_growth_kib or 0) for t in earlier.tasks if t.memory_peak_kib is not None]
    known = used.memory_peak_kib is not None and earlier.max_persist_growth_kib is not None
    if known and used.persist_memory_peak_kib is None and outcome.status == "ok":
        peaks.append(used.memory_peak_kib + earlier.max_persist_growth_kib)
    for peak in filter(None, peaks):
        assert advice.memory_mb * 10**6 >= peak * 1024 * (1 - 1e-12)
    listed = [t.cpu_max_cores for t in earlier.tasks if t.cpu_max_cores is not None]
    busiest = [used.cpu_max_cores, *(listed or [earlier.max_cpu_max])]
    for cores in filter(None, busiest):
        assert advice.cpu >= cores - CPU_TOLERANCE
    assert advice.cpu >= 1 and advice.gpu >= 0 and advice.memory_mb > 0
    assert {"cpu", "memory", "gpu"} <= set(advice.reasons) and all(advice.reasons.values())


@given(
    any_usage(anything),
    any_history(anything),
    any_request(anything),
    outcomes,
    st.builds(Limits, cpus=anything, memory_mib=anything),
)
def test_never_raises(used, earlier, request, outcome, limit):
    """Any floats, nan and infinities included, give advice or a reason."""
    advice = recommend(used, earlier, request, outcome, limit)
    assert isinstance(advice, Recommendation | NoRecommendation)


@given(st.lists(st.floats(1, 2.0**20), min_size=1, max_size=8), st.floats(1, 2.0**20))
def test_a_new_highest_peak_never_gives_less_than_it(peaks, more):
    """However many runs agreed before, a run that goes beyond them raises the advice above its own peak."""
    tasks = [task(peak, run_id=str(run)) for run, peak in enumerate(peaks)]
    highest = max(peaks) + more
    assert advise(usage(highest, highest), history(*tasks)).memory_mb * 10**6 >= highest * MIB * MIB


@given(st.integers(1, 10**9))
def test_rounding_is_upwards_and_friendly(memory_mb):
    """Up by less than one step, to a multiple of 64."""
    rounded = round_up_mb(memory_mb)
    assert memory_mb <= rounded < memory_mb + 512 and rounded % 64 == 0
