"""It must never harm the step: every scenario ends as it does without us."""

from __future__ import annotations

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean
from scenarios import BRANCHES, FAILING, SCENARIOS, linear

from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.summary import decode_summary

pytestmark = pytest.mark.flow
OURS = "resource_tracker_data"


def run_both(root: Path, source: str, *arguments: str, **options: Any) -> tuple[FlowRun, FlowRun]:
    """The same flow without us and with us."""
    runs = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(root / name)
        folder.write(source.replace("{track}", line))
        runs.append(folder.call("run", *arguments, **options))
    return runs[0], runs[1]


def artifacts(run: FlowRun) -> dict[str, dict[str, Any]]:
    """Every artifact of every task but ours, by step and name, as text (two processes compare only as text)."""
    found = {}
    for step in run.run():
        for task in step:
            texts = {a.id: repr(a.data) for a in task if a.id != OURS and not a.id.startswith("_")}
            values = {name: text.replace(str(run.folder), "") for name, text in texts.items()}
            key = f"{step.id}/{len([k for k in found if k.startswith(step.id + '/')])}"
            found[key] = dict(sorted(values.items())) | {"successful": task.successful, "finished": task.finished}
    return found


ALIKE = ("executable unknown", "untracked join merges")
"""Much like another one: left to `make test-all`."""


def assert_same(bare: FlowRun, tracked: FlowRun) -> None:
    """Same exit code, same log, same artifacts, nothing of ours left."""
    assert tracked.returncode == bare.returncode, tracked.output
    assert Counter(tracked.plain_output()) == Counter(bare.plain_output())
    assert sorted(map(str, artifacts(tracked).values())) == sorted(map(str, artifacts(bare).values()))
    assert wait_until_clean(tracked) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ALIKE else ()) for name in SCENARIOS]
)
def test_a_flow_ends_as_without_us(tmp_path: Path, name: str) -> None:
    """Outcome, exit code, artifacts and output are those of the same flow without the decorator."""
    bare, tracked = run_both(tmp_path, SCENARIOS[name])
    assert (bare.returncode != 0) == (name in FAILING), bare.output
    assert_same(bare, tracked)


def test_modules_beside_the_flow_do_not_run(tmp_path: Path) -> None:
    """Files named like modules that we load are the user's: they run only if the user imports them."""
    source = linear("import numbers\nself.result = numbers.MINE")
    runs = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(tmp_path / name)
        folder.write(source.replace("{track}", line))
        for module in ("jinja2", "markupsafe", "pkgutil"):
            folder.write("import os\nos._exit(9)\n", f"{module}.py")
        folder.write("MINE = 7\n", "numbers.py")
        runs.append(folder.call("run"))
    bare, tracked = runs
    assert bare.returncode == 0, bare.output
    assert_same(bare, tracked)
    # The step itself put its own `numbers` in the standard one's place: no card there, and a line that says so.
    assert [line for line in tracked.our_lines if "could not write the card" in line]
    assert len(tracked.cards()) == 1


@pytest.mark.parametrize("value", ["None", "{'mine': 1}"])
def test_the_users_artifact_of_our_name_stays(tmp_path: Path, value: str) -> None:
    """Whatever the step sets under our name is what is stored; the card is written all the same."""
    folder = FlowFolder(tmp_path)
    folder.write(linear(f"setattr(self, 'resource_' + 'tracker_data', {value})").replace("{track}", "@track_resources"))
    run = folder.call("run")
    assert run.returncode == 0, run.output
    assert repr(run.task("work")[OURS].data) == value
    assert len(run.cards()) == 2


def test_resume_ends_as_without_us(tmp_path: Path) -> None:
    """A failed run resumes: clones are not measured again, the rest is."""
    source = linear("if os.environ.get('FAIL'):\n    raise RuntimeError('first time')\nself.result = 'resumed'")
    runs = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(tmp_path / name)
        folder.write(source.replace("{track}", line))
        assert folder.call("run", FAIL="1").returncode != 0
        runs.append(folder.call("resume"))
    assert_same(*runs)
    assert runs[1].record("work")["outcome"]["status"] == "ok"


def test_card_create_on_a_clone(tmp_path: Path) -> None:
    """A task that `resume` cloned shows the measurements of its original."""
    folder = FlowFolder(tmp_path)
    source = BRANCHES.replace("{track_join}", "# bare").replace("{track}", "@track_resources")
    folder.write(
        source.replace("def end(self):", "def end(self):\n        if os.environ.get('FAIL'): raise ValueError", 1)
    )
    (folder.folder / "flow.py").write_text("import os\n" + (folder.folder / "flow.py").read_text())
    assert folder.call("run", FAIL="1").returncode != 0
    resumed = folder.call("resume")
    assert resumed.returncode == 0, resumed.output
    task = "/".join(resumed.task("left").pathspec.split("/")[1:])
    made = folder.call("card", "create", task, "--type", "resource_tracker", "--id", "clone")
    assert made.returncode == 0, made.output
    (page,) = [card for card in resumed.cards() if "-clone-" in card.name]
    assert "cannot be shown" not in page.read_text()


def test_a_decorator_that_raises_after_the_step(tmp_path: Path) -> None:
    """Another extension fails in its task_post_step: the run fails as without us, and our record says failed."""
    plugins = tmp_path / "other" / "metaflow_extensions" / "raiser" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "mfextinit_raiser.py").write_text('STEP_DECORATORS_DESC = [("raiser", ".raiser.Raiser")]\n')
    (plugins / "raiser.py").write_text(
        "from metaflow.decorators import StepDecorator\n\n"
        "class Raiser(StepDecorator):\n    name = 'raiser'\n\n"
        "    def task_post_step(self, *args):\n        raise RuntimeError('of the other decorator')\n"
    )
    source = linear("self.result = 1", decorators="@raiser", top="from metaflow import raiser\n")
    bare, tracked = run_both(tmp_path, source, PYTHONPATH=str(tmp_path / "other"))
    assert bare.returncode != 0
    assert_same(bare, tracked)
    assert tracked.record("work")["outcome"]["status"] == "failed"


def test_a_large_artifact(tmp_path: Path) -> None:
    """Saving the artifact takes more memory than the step: the final advice covers that peak too."""
    bare, tracked = run_both(tmp_path, linear("self.result = b'x' * (80 * 1024 * 1024)"))
    assert tracked.returncode == bare.returncode == 0
    assert wait_until_clean(tracked) == []
    summary = summary_in_metadata(tracked, "work")
    step_peak_kib = tracked.record("work")["usage"]["memory_peak_kib"]
    assert step_peak_kib > 80 * 1024
    assert summary.persist_growth_kib > 0
    peak_kib = summary.memory_peak_kib + summary.persist_growth_kib
    assert peak_kib > 160 * 1024
    assert summary.persist_memory_peak_kib == pytest.approx(peak_kib)
    advised_mb = int(tracked.our_lines[0].partition("memory=")[2].partition(")")[0])
    assert advised_mb * 10**6 >= peak_kib * 1024


def summary_in_metadata(run: FlowRun, step: str) -> Any:
    """The summary that later runs read."""
    return decode_summary(run.task(step).metadata_dict[SUMMARY_FIELD])


def test_the_sampler_is_killed_in_mid_step(tmp_path: Path) -> None:
    """The step goes on; what was measured until then is kept, and the record says that it ended early."""
    kill = """
        import psutil, time
        time.sleep(1.5)
        def is_ours(process):
            line = " ".join(process.info["cmdline"] or ())
            return "resource_tracker" in line and os.environ["HOME"] in line
        samplers = [process for process in psutil.process_iter(["cmdline"]) if is_ours(process)]
        for sampler in samplers:
            sampler.kill()
        psutil.wait_procs(samplers, timeout=10)
        self.killed = len(samplers)
        time.sleep(1.2)
    """
    folder = FlowFolder(tmp_path)
    folder.write(linear(kill).replace("{track}", "@track_resources"))
    run = folder.call("run")
    assert run.returncode == 0, run.output
    assert run.task("work")["killed"].data == 1
    record = run.record("work")
    assert record["tracking"]["ended_early"]
    assert len(record["process_metrics"]) >= 1
    assert wait_until_clean(run) == []


def test_no_proc_at_all(tmp_path: Path) -> None:
    """Without procfs the step is the same, and the record says how little could be measured."""
    hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    skip_unless_allowed(hidden)
    bare, tracked = run_both(tmp_path, linear("self.result = 1"), prefix=hidden)
    assert_same(bare, tracked)
    tracking = tracked.record("work")["tracking"]
    assert tracking["mode"] == "start_end"
    assert "proc" in tracking["reason"]


def test_proc_hides_other_users(tmp_path: Path) -> None:
    """`hidepid=2`, and no privilege to look through it: the step's own processes are still measured."""
    script = 'mount -t proc -o hidepid=2 proc /proc && exec setpriv --bounding-set=-all --inh-caps=-all "$@"'
    prefix = ("unshare", "-m", "sh", "-c", script, "sh")
    skip_unless_allowed(prefix)
    bare, tracked = run_both(tmp_path, linear("self.result = 1"), prefix=prefix)
    assert_same(bare, tracked)
    assert tracked.record("work")["tracking"]["mode"] == "sampler"


@pytest.mark.parametrize("places", [1, 3], ids=["first place full", "every place read-only"])
def test_no_room_for_the_spool(tmp_path: Path, places: int) -> None:
    """A full temporary directory: the next place is taken; no place at all: start and end only, with the reason."""
    script = {
        1: 'mount -t tmpfs -o size=4k none "$TMPDIR"; head -c 4096 /dev/zero > "$TMPDIR/full"; exec "$@"',
        3: 'for d in "$TMPDIR" /var/tmp /dev/shm; do mount -t tmpfs -o ro none "$d"; done; exec "$@"',
    }[places]
    prefix = ("unshare", "-m", "sh", "-c", script, "sh")
    skip_unless_allowed(("unshare", "-m"))
    bare, tracked = run_both(tmp_path, linear("self.result = 1"), prefix=prefix)
    assert_same(bare, tracked)
    tracking = tracked.record("work")["tracking"]
    assert tracking["mode"] == ("sampler" if places == 1 else "start_end")
    assert places == 1 or "no place for the measurements" in tracking["reason"]


def test_no_network(tmp_path: Path) -> None:
    """In a network namespace with nothing but a loopback that is down, all is the same and prices are there."""
    prefix = ("unshare", "-n")
    skip_unless_allowed(prefix)
    bare, tracked = run_both(tmp_path, linear("self.result = 1"), prefix=prefix)
    assert_same(bare, tracked)
    assert tracked.record("work")["pricing"]["offers"]


def test_the_runtime_is_process_1(tmp_path: Path) -> None:
    """`unshare -pf --mount-proc`: the runtime is process 1, orphans become its children."""
    prefix = ("unshare", "-pf", "--mount-proc")
    skip_unless_allowed(prefix)
    bare, tracked = run_both(tmp_path, linear("self.result = 1"), prefix=prefix)
    assert_same(bare, tracked)


def test_the_task_is_process_1(tmp_path: Path) -> None:
    """As in a container: readings at start and end only, since a sampler would come back as the step's child."""
    prefix = ("unshare", "-pf", "--mount-proc")
    skip_unless_allowed(prefix)
    source = linear("try:\n    self.result = os.wait()\nexcept ChildProcessError:\n    self.result = 'no child'")
    results = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(tmp_path / name)
        folder.write(source.replace("{track}", line))
        assert folder.call("init", "--run-id", "one", "--task-id", "t0").returncode == 0
        begun = folder.call(
            "step", "start", "--run-id", "one", "--task-id", "t1", "--input-paths", "one/_parameters/t0"
        )
        assert begun.returncode == 0, begun.output
        task = ("step", "work", "--run-id", "one", "--task-id", "t2", "--input-paths", "one/start/t1")
        results.append(folder.call(*task, prefix=prefix))
    bare, tracked = results
    assert tracked.returncode == bare.returncode == 0, tracked.output
    assert Counter(tracked.plain_output()) == Counter(bare.plain_output())
    assert wait_until_clean(tracked) == []
    artifact = tracked.task_data("one/work/t2")
    assert "had not answered" in artifact[OURS]["cloud_info"]["reason"]
    assert artifact["result"] == "no child"
    assert artifact[OURS]["tracking"]["mode"] == "start_end"


def test_two_flows_at_once(tmp_path: Path) -> None:
    """Two decorated flows on one machine do not disturb each other."""
    folders = [FlowFolder(tmp_path / name) for name in ("one", "two")]
    for number, folder in enumerate(folders):
        folder.write(linear(f"time.sleep(0.5)\nself.result = {number}").replace("{track}", "@track_resources"))
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda folder: folder.call("run"), folders))
    for number, run in enumerate(runs):
        assert run.returncode == 0, run.output
        assert run.task("work")["result"].data == number
        assert run.record("work")["pathspec"] == run.task("work").pathspec
        assert wait_until_clean(run) == []


def test_disabled_leaves_no_trace(tmp_path: Path) -> None:
    """METAFLOW_RESOURCE_TRACKER_DISABLE=1: no artifact, no card, no line."""
    folder = FlowFolder(tmp_path)
    folder.write(SCENARIOS["success"].replace("{track}", "@track_resources"))
    run = folder.call("run", METAFLOW_RESOURCE_TRACKER_DISABLE="1")
    assert run.returncode == 0
    assert run.our_lines == []
    assert run.cards() == []
    assert OURS not in run.task("work")


def skip_unless_allowed(prefix: tuple[str, ...]) -> None:
    """Namespaces need privileges that not every machine gives."""
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"not permitted here: {tried.stderr.strip()}")
