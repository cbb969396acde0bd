"""One request for all tasks of a step: rules, notes, and properties that hold for any attempts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.dataclass import replace
from resource_tracker.gpu_notes import gpu_notes
from resource_tracker.memory_need import observations_of, peak_kib
from resource_tracker.needs import busy_cores
from resource_tracker.recommend import Policy, recommend
from resource_tracker.records import (
    History,
    InstanceType,
    Limits,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.step_advice import advise_step

MIB = 1024
ON_KUBERNETES = {"request_decorators": ("resources", "kubernetes"), "request_written_in": ("resources",)}


def task(peak_mib=1000.0, run="1", number="1", **more) -> TaskSummary:
    given_ = {"attempt": 0, "status": "ok", "finished_at": 100.0 + int(run), "duration_s": 60.0, "cpu_max_cores": 1.0}
    memory = {} if peak_mib is None else {"memory_peak_kib": peak_mib * MIB}
    return TaskSummary(run_id=run, step="fit", task_id=number, **given_ | memory | more)


def advised(*tasks, **more) -> Recommendation:
    advice = advise_step(tasks, **more).estimate
    assert isinstance(advice, Recommendation), advice
    return advice


# --- memory: what counts as one observation ---------------------------------------------------------


def test_the_largest_sibling_is_what_a_run_shows():
    """A thousand siblings of one run are one observation, with the time of all of them."""
    siblings = [task(100 + n, number=str(n)) for n in range(1000)]
    (seen,) = observations_of(siblings)
    assert (seen.peak_mib, seen.duration_s, seen.outcome) == (1099, 60_000.0, "ok")


def test_a_retry_that_succeeded_counts_alone():
    """Of a task that failed and was repeated, only the attempt that got through shows what it needs."""
    first = task(400, status="failed", attempt=0)
    assert [seen.outcome for seen in observations_of([first, task(500, attempt=1)])] == ["ok"]
    assert [seen.outcome for seen in observations_of([first, task(300, attempt=1)])] == ["ok", "failed"]


def test_running_out_of_memory_calls_for_more_than_was_allowed():
    """An attempt that was stopped at its limit is a lower bound, whatever its siblings got by with."""
    killed = task(1990, number="7", status="failed", ran_out_of_memory=True, memory_limit_mib=2000.0)
    assert advised(task(1000), killed).memory_mb * 10**6 > 2000 * MIB * MIB
    old = task(1990, number="7", status="failed", memory_limit_mib=2000.0)  # by an older version, which kept no word
    assert advised(task(1000), old).memory_mb == advised(task(1000), killed).memory_mb


def test_sizes_told_in_another_way_do_not_count():
    """Bytes of artifacts and a user's own number do not compare: the newest attempt's kind is taken."""
    known = [task(1000 + 100 * n, run=str(n), input_bytes=1e6 * n, input_source="artifacts") for n in (1, 2, 3)]
    other = task(1000, run="0", input_bytes=77.0, input_source="input_size=len(self.x)")
    with_other = advise_step([*known, other], input_bytes=6e6).estimate
    without = advise_step([*known, task(1000, run="0")], input_bytes=6e6).estimate
    assert with_other == without


cores = st.none() | st.floats(0, 512)
kib = st.none() | st.floats(0, 2.0**32)
attempts = st.lists(
    st.builds(
        task,
        st.none(),
        run=st.sampled_from("123"),
        number=st.sampled_from("123"),
        attempt=st.integers(0, 2**53),
        status=st.sampled_from(["ok", "failed", "unknown", "running"]),
        finished_at=st.none() | st.floats(0, 1e10),
        memory_peak_kib=kib,
        persist_growth_kib=kib,
        memory_limit_mib=st.none() | st.floats(0, 2.0**22),
        request_memory_mb=st.none() | st.floats(0, 2.0**22),
        ran_out_of_memory=st.none() | st.booleans(),
        cpu_max_cores=cores,
        cpu_p95_cores=cores,
        cpu_limit=cores,
        disk_growth_gb=cores,
        shared_memory_peak_kib=kib,
        gpu_utilized_max=st.none() | st.floats(0, 8),
        gpu_vram_max_mib=kib,
        gpu_memory_mib=kib,
        request_decorators=st.sampled_from([None, ("resources",), ("kubernetes",)]),
    ),
    max_size=5,
)


@given(attempts)
def test_safe_is_never_below_any_peak(tasks):
    """Nor is what is printed below the estimate, or half of the request; nothing raises."""
    found = advise_step(tasks)
    if isinstance(found.estimate, NoRecommendation):
        return
    for one in tasks:
        assert found.estimate.memory_mb * 10**6 >= peak_kib(one) * 1024 * (1 - 1e-12) or one.memory_peak_kib is None
    assert found.advice.memory_mb >= found.estimate.memory_mb
    if found.request.memory_mb and found.request.decorators:
        assert found.advice.memory_mb >= found.request.memory_mb / 2


@given(attempts)
def test_lean_advice_never_raises(tasks):
    """Any attempts, in either policy, give advice or a reason."""
    assert advise_step(tasks, policy=Policy.LEAN).advice is not None


def test_attempts_of_several_steps_are_refused():
    """A mistake of the caller, not an advice for both."""
    with pytest.raises(ValueError, match="fit, load"):
        advise_step([task(), TaskSummary(**{**_values(task()), "step": "load"})])


def _values(summary):
    return {name: getattr(summary, name) for name in summary.__dataclass_fields__}


def test_nothing_measured_gives_a_reason():
    """No attempt at all, or none with figures."""
    for tasks in ([], [task(None, cpu_max_cores=None)]):
        found = advise_step(tasks)
        assert isinstance(found.advice, NoRecommendation) and (found.runs, found.tasks) == (0, 0)


# --- CPU ----------------------------------------------------------------------------------------------


def test_cpu_is_what_was_used_for_95_percent_of_the_time():
    """A burst of one row does not count; a mean that knows of more than the rows does; too few rows leave the burst."""
    assert advised(task(cpu_p95_cores=2.0, cpu_max_cores=7.5)).cpu == 2
    assert busy_cores(task(cpu_p95_cores=1.0, cpu_mean_cores=3.0)) == 3.0
    assert advised(task(cpu_p95_cores=None, cpu_max_cores=7.5)).cpu == 8


def test_one_busy_attempt_in_many_does_not_decide():
    """Of 40 attempts SAFE covers 38, LEAN the middle; of 5 SAFE covers all."""
    many = [task(run=str(n), cpu_p95_cores=2.0 if n < 39 else 16.0) for n in range(40)]
    assert advised(*many).cpu == 2
    assert advised(*many[-5:]).cpu == 16
    assert advised(*many[-3:], task(run="99", cpu_p95_cores=9.0), policy=Policy.LEAN).cpu == 2


def test_the_policy_is_that_of_the_newest_attempt():
    """What the decorator says now counts, not what it said; one that is given counts before; an unknown is SAFE."""
    before, now = task(run="1", policy="lean"), task(run="2", policy="safe")
    assert advised(before).policy == "lean"
    assert advised(now, before).policy == "safe"
    assert advised(task(run="3"), before).policy == "lean"
    assert advised(before, policy=Policy.SAFE).policy == "safe"
    assert advised(task(policy="brave")).policy == "safe"


@pytest.mark.parametrize(("allowed", "cpu"), [(1.0, 2), (2.0, 3), (4.0, 6), (8.0, 12)])
def test_all_cpus_in_use_call_for_half_as_many_again(allowed, cpu):
    """Use at the limit is censored, be it the kernel's limit or the machine's CPUs."""
    assert advised(task(cpu_p95_cores=allowed * 0.97, cpu_limit=allowed)).cpu == cpu
    assert advised(task(cpu_p95_cores=allowed * 0.97, vcpus=int(allowed))).cpu == cpu


def test_a_single_thread_has_no_use_for_more():
    """Nor has a step that was seen with more CPUs and left them unused."""
    assert advised(task(cpu_p95_cores=1.0, cpu_limit=1.0, threads_max=1)).cpu == 1
    with_more = task(run="2", cpu_p95_cores=1.0, cpu_limit=4.0)
    assert advised(task(cpu_p95_cores=1.0, cpu_limit=1.0, threads_max=8), with_more).cpu == 1


# --- siblings -----------------------------------------------------------------------------------------


def test_the_outlier_is_named_and_splitting_proposed():
    """Over three times the median: its name, how much, and what to do; below, only who it is."""
    siblings = [task(1000, number=str(n)) for n in range(9)]
    (note,) = advise_step([*siblings, task(3100, number="17")]).notes
    assert (
        "Task 17 of run 1 needed 3,251 MB, 3.1 times the 1,049 MB that were enough for half of its 9" in note
        and "Splitting" in note
    )
    (note,) = advise_step([*siblings, task(2000, number="17")]).notes
    assert "Task 17" in note and "Splitting" not in note


def test_an_outlier_is_compared_with_the_others_of_its_run_only():
    """Neither it nor other runs are among its siblings: it does not hide in their median, and is not made by them."""
    run = [task(1000, run="2", number="1"), task(1400, run="2", number="2"), task(1600, run="2", number="3")]
    (note,) = advise_step([*run, *(task(100, run="1", number=str(n)) for n in range(4, 9))]).notes
    assert "Task 3 of run 2 needed " in note
    assert "1,678 MB, 1.6 times the 1,049 MB that were enough for half of its 2 siblings in that run" in note
    assert advise_step([*(task(1000, run="2", number=str(n)) for n in range(3)), task(100)]).notes == ()


def test_small_or_few_siblings_are_no_outliers():
    """Three times nothing is nothing, and of two tasks neither stands out."""
    assert advise_step([*[task(50, number=str(n)) for n in range(9)], task(300, number="17")]).notes == ()
    assert advise_step([task(1000, number="1"), task(9000, number="2")]).notes == ()


def test_attempts_without_a_trace_are_told():
    """A second attempt whose first left nothing, and a failed one without figures."""
    assert "1 attempt ended unseen" in advise_step([task(attempt=1)]).notes[0]
    lost = task(None, number="2", status="failed", cpu_max_cores=None)
    found = advise_step([task(), lost])
    assert "1 attempt ended" in found.notes[0] and found.tasks == 1
    assert advise_step([task(attempt=0, status="failed"), task(attempt=1)]).notes == ()


# --- where the numbers go -------------------------------------------------------------------------------


def test_the_request_is_that_of_the_newest_attempt():
    """Also where an older summary, which knew no decorators, is the newest."""
    old = task(run="1", request_memory_mb=9_000.0, request_cpu=8.0, request_decorators=("resources",))
    new = task(run="2", request_memory_mb=5_000.0, request_cpu=2.0)
    found = advise_step([new, old])
    assert (found.request.memory_mb, found.request.decorators) == (5_000.0, ("resources",))
    assert found.advice.memory_mb == 2_500


@pytest.mark.parametrize(
    ("decorators", "written_in", "decorator"),
    [
        (("resources",), ("resources",), "resources"),
        (("kubernetes",), ("kubernetes",), "kubernetes"),
        (("batch",), ("batch",), "batch"),
        (("kubernetes",), (), "resources"),
        (("resources", "kubernetes"), ("resources", "kubernetes"), "resources"),
        ((), (), "resources"),
    ],
)
def test_the_line_is_for_the_decorator_that_holds_the_numbers(decorators, written_in, decorator):
    """Of two decorators Metaflow takes the larger number, so a line for the other one would change nothing."""
    advice = advised(task(request_decorators=decorators, request_written_in=written_in, request_memory_mb=4096.0))
    assert advice.as_text().startswith(f"@{decorator}(cpu=1, memory=")


def test_metaflows_rule_of_the_larger_number_is_told():
    """Numbers in both decorators, or less than Kubernetes' default in @resources."""
    both = task(request_decorators=("resources", "kubernetes"), request_written_in=("resources", "kubernetes"))
    assert any("change the numbers in both" in note for note in advise_step([both]).notes)
    small = task(300, **ON_KUBERNETES)
    assert any("write memory=" in note and "@kubernetes itself" in note for note in advise_step([small]).notes)
    assert advise_step([task(8000, **ON_KUBERNETES)]).notes == ()


@pytest.mark.parametrize("written_in", [(), ("resources",)])
def test_by_option_kubernetes_gives_its_least(written_in):
    """``--with kubernetes`` alone: what is pasted into @resources counts from Metaflow's default on, and no less."""
    told = {"request_decorators": (*written_in, "kubernetes"), "request_written_in": written_in}
    found = advise_step([task(300, **told)])
    assert found.advice.decorator == "resources" and f"--with kubernetes:memory={found.advice.memory_mb}" in str(
        found.notes
    )
    assert advise_step([task(8000, **told)]).notes == ()
    assert advise_step([task(300, request_decorators=("batch",), request_written_in=())]).notes == ()


@pytest.mark.parametrize(
    ("name", "asked_mb", "given_mb"),
    [("kubernetes", 2048, 4096), ("kubernetes", 8192, 8192), ("batch", 2048, 2048), ("batch", 8192, 8192)],
)
def test_metaflow_merges_as_the_notes_say(name, asked_mb, given_mb):
    """Its own decorators, as for a step with @resources that runs ``--with`` them."""
    pytest.importorskip("metaflow")
    from metaflow.plugins.aws.batch.batch_decorator import BatchDecorator
    from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator
    from metaflow.plugins.resources_decorator import ResourcesDecorator

    compute = {"kubernetes": KubernetesDecorator, "batch": BatchDecorator}[name](attributes={})
    resources = ResourcesDecorator(attributes={"cpu": 2, "memory": asked_mb})
    for decorator in (compute, resources):
        decorator.init()
    plain = SimpleNamespace(TYPE="s3")
    compute.step_init(plain, plain, "fit", [resources, compute], plain, plain, print)
    assert (float(compute.attributes["cpu"]), float(compute.attributes["memory"])) == (2, given_mb)


def test_disk_is_asked_for_only_where_it_helps():
    """On Kubernetes, and beyond what the default of 10 GB covers; elsewhere nobody takes it."""
    request = {**ON_KUBERNETES, "request_disk_mb": 10_240.0}
    assert advised(task(disk_growth_gb=40.0, **request)).arguments()["disk"] == 55_296
    assert "disk" not in advised(task(disk_growth_gb=1.0, **request)).arguments()
    assert "disk" not in advised(task(disk_growth_gb=40.0, request_decorators=("batch",))).arguments()
    chosen = {**request, "request_disk_mb": 100_000.0, "request_chosen": ("disk",)}
    assert advised(task(disk_growth_gb=1.0, **chosen)).arguments()["disk"] == 7_168
    assert advised(task(**chosen)).arguments()["disk"] == 100_000


def test_shared_memory_beyond_a_containers_own_is_asked_for():
    """Docker's 64 MiB suffice for most; a data loader's tensors need more, on Kubernetes and on Batch."""
    for decorators in (("kubernetes",), ("batch",)):
        request = {"request_decorators": decorators}
        assert advised(task(shared_memory_peak_kib=900.0 * MIB, **request)).arguments()["shared_memory"] == 1_152
        assert "shared_memory" not in advised(task(shared_memory_peak_kib=20.0 * MIB, **request)).arguments()
    assert "shared_memory" not in advised(task(shared_memory_peak_kib=900.0 * MIB)).arguments()


# --- GPU ----------------------------------------------------------------------------------------------

T4 = InstanceType(vendor="aws", name="g4dn.xlarge", vcpus=4, memory_mib=16_384, gpu_count=1, gpu_model="T4")
T4 = InstanceType(**{**_values(T4), "gpu_memory_mib": 15_360.0})
A100 = InstanceType(**{**_values(T4), "name": "p4d", "gpu_model": "A100", "gpu_memory_mib": 40_960.0})
GPU = {"gpu_utilized_max": 1.0, "gpu_usage_mean": 0.5, "gpu_memory_mib": 24_000.0, "request_gpu": 1}


def test_a_gpu_with_less_memory_is_proposed_where_it_fits():
    """9 of 24 GB: a T4 would do; none larger than the own is named; a busy GPU's step would take longer."""
    (note,) = gpu_notes([task(gpu_vram_max_mib=9_000.0, **GPU)], [A100, T4])
    assert "T4 (15.0 GiB)" in note and "A100" not in note and "longer" not in note
    (note,) = gpu_notes([task(gpu_vram_max_mib=9_000.0, **{**GPU, "gpu_usage_mean": 0.9})], [T4])
    assert "takes longer" in note
    assert gpu_notes([task(gpu_vram_max_mib=14_500.0, **GPU)], [A100, T4]) == ()
    assert gpu_notes([task(gpu_vram_max_mib=9_000.0, vendor="gcp", **GPU)], [T4]) == ()
    assert gpu_notes([task(gpu_vram_max_mib=9_000.0, architecture="aarch64", **GPU)], [T4]) == ()


def test_memory_is_counted_for_each_gpu():
    """18 GB on two GPUs are 9 GB each."""
    two = {**GPU, "gpu_utilized_max": 2.0, "gpu_usage_mean": 1.0}
    assert "9.4 GB (8.8 GiB) of the GPU's 23.4 GiB" in gpu_notes([task(gpu_vram_max_mib=18_000.0, **two)], [T4])[0]


@pytest.mark.parametrize(("share", "who"), [(0.75, "JAX"), (0.97, "PyTorch")])
def test_memory_that_an_allocator_holds_says_nothing_of_the_need(share, who):
    """JAX takes three quarters at once, others nearly all: said, and no smaller GPU is proposed."""
    (note,) = gpu_notes([task(gpu_vram_max_mib=24_000.0 * share, **GPU)], [T4])
    assert who in note and "cannot be told" in note


@pytest.mark.parametrize(("use", "told"), [(0.01, "without one"), (0.1, "only 10 %"), (0.5, None)])
def test_a_gpu_that_is_hardly_used_is_told(use, told):
    """Of all attempts the busiest counts."""
    idle, busy = task(**{**GPU, "gpu_usage_mean": 0.0}), task(**{**GPU, "gpu_usage_mean": use})
    notes = gpu_notes([idle, busy])
    assert notes == () if told is None else told in notes[0]


# --- the same rules everywhere ----------------------------------------------------------------------------


def test_the_card_and_a_step_advise_the_same():
    """One attempt and its history, or all of them as attempts of the step: the same numbers."""
    earlier = [task(900 + n, run=str(n), cpu_p95_cores=3.3) for n in range(3)]
    usage = UsageSummary(
        duration_s=60.0, memory_peak_kib=950.0 * MIB, persist_memory_peak_kib=960.0 * MIB, cpu_p95_cores=2.2
    )
    request = ResourceRequest(cpu=16, memory_mb=9_000, decorators=("resources",), written_in=("resources",))
    history = History(available=True, runs_analyzed=3, tasks_analyzed=3, tasks=tuple(earlier))
    card = recommend(usage, history, request, Outcome(status="ok"), Limits(), server=ServerInfo())
    this = task(
        950,
        run="9",
        persist_growth_kib=10.0 * MIB,
        cpu_max_cores=None,
        cpu_p95_cores=2.2,
        request_cpu=16.0,
        request_memory_mb=9_000.0,
        request_decorators=("resources",),
        request_written_in=("resources",),
    )
    step = advise_step([*earlier, this]).advice
    assert card.arguments() == step.arguments() and card.estimate == step.estimate
    assert (card.based_on_runs, step.based_on_runs) == (4, 4)


def test_a_request_that_was_enough_is_not_raised():
    """All went well with 1100 MB and 100 MB were left: no round number above it is asked for."""
    enough = task(940, request_memory_mb=1_100.0, request_decorators=("resources",))
    advice = advised(enough)
    assert advice.memory_mb == 1_100 and "As asked for" in advice.reasons["memory"]


# --- memory that follows the input ------------------------------------------------------------------


def with_inputs(*pairs, source="artifacts") -> list[TaskSummary]:
    """Runs with the input in MB and the peak in MiB of each."""
    return [
        task(peak, run=str(number), input_bytes=size * 1e6, input_source=source)
        for number, (size, peak) in enumerate(pairs, start=1)
    ]


FOLLOWS = [(size, 200 + size * 2e6 / 2**20) for size in (100, 300, 500, 700, 1200)]


def input_notes(tasks) -> list[str]:
    advice = advise_step(tasks).advice
    assert isinstance(advice, Recommendation)
    return [note for note in advice.notes if "input" in note]


def test_memory_that_follows_the_input_is_said_with_how_to_ask_for_another():
    """Two MB for each MB: the command that the note names is one that there is."""
    (note,) = input_notes(with_inputs(*FOLLOWS))
    assert "by about 2 MB for each MB (5 tasks with 100 to 1,200 MB)" in note
    assert "--step fit --input-bytes SIZE" in note


def test_the_card_says_it_too():
    """The attempt that asks counts as one of the five, though it has no run and step of its own yet."""
    *earlier, (size, peak) = FOLLOWS
    history = History(available=True, runs_analyzed=4, tasks=tuple(with_inputs(*earlier)))
    usage = UsageSummary(duration_s=60.0, memory_peak_kib=peak * MIB, persist_memory_peak_kib=peak * MIB)
    usage = replace(usage, input_bytes=size * 1e6, input_source="artifacts")
    advice = recommend(usage, history, ResourceRequest(), Outcome(status="ok"), Limits())
    assert isinstance(advice, Recommendation)
    assert any("5 tasks with 100 to 1,200 MB" in note and "--step fit" in note for note in advice.notes)


@pytest.mark.parametrize(
    "tasks",
    [
        with_inputs(*FOLLOWS[1:]),
        with_inputs(*((size, 500 + size / 100) for size, _ in FOLLOWS)),
        with_inputs(*((size, 3000 - peak) for size, peak in FOLLOWS)),
        with_inputs(*((100 * n, 1000 + 300 * (n % 2)) for n in range(1, 9))),
        with_inputs(*((500, peak) for _, peak in FOLLOWS)),
        with_inputs(*FOLLOWS[:3], source="rows") + with_inputs(*FOLLOWS)[3:],
    ],
    ids=["too few", "hardly", "falls", "not related", "one size", "told in two ways"],
)
def test_memory_that_does_not_follow_the_input_gets_no_such_note(tasks):
    """Nothing is read into too few attempts, into noise, or into sizes that do not compare."""
    assert input_notes(tasks) == []
