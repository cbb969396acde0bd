"""Tasks that die without a word: what their card, their metadata, the next attempt and the command line say of them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import metaflow
import pytest
from harness import FlowFolder, FlowRun, wait_until_clean
from scenes.cgroups import real_groups
from scenes.tasks import wait_until

from resource_tracker.build import history_of
from resource_tracker.flows.runs import client_provider, every_namespace
from resource_tracker.flows.summaries import SUMMARY_FIELD, read_summaries
from resource_tracker.records import TaskSummary
from resource_tracker.summary import decode_summary

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("post_mortem")]  # one run serves all of them

WAYS = ["SIGKILL", "SIGTERM", "SIGSEGV", "exit", "persist", "goodbye", "stopped", "Ctrl-C twice", "Ctrl-C, persist"]
DEATHS = (
    f"""
WAYS = {WAYS}
"""
    + """
import ctypes, glob, os, signal, time
from metaflow import FlowSpec, catch, current, resources, step, track_resources

class DeathFlow(FlowSpec):
    @step
    def start(self):
        self.ways = WAYS
        self.next(self.work, foreach="ways")

    @catch(var="problem", print_exception=False)
    @resources(memory=300, cpu=1)
    @track_resources(interval=0.1)
    @step
    def work(self):
        held = b"x" * 100_000_000
        be_seen()
        if self.input == "SIGSEGV":
            ctypes.string_at(0)
        if self.input == "exit":
            os._exit(3)
        if self.input.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, self.input))
            time.sleep(60)
        if self.input == "stopped":
            stop_what_watches()
            os.kill(os.getpid(), signal.SIGTERM)
        if self.input == "Ctrl-C twice":
            from resource_tracker.flows.session import TaskSession
            TaskSession._tell = lambda *_: os.kill(os.getpid(), signal.SIGINT)
            raise KeyboardInterrupt
        if self.input == "Ctrl-C, persist":
            self.dies = Pressed()
            raise KeyboardInterrupt
        if self.input == "goodbye":
            from resource_tracker.flows.session import TaskSession
            TaskSession._tell = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        else:
            self.dies = Dying()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

def be_seen():
    (rows,) = glob.glob(os.environ["TMPDIR"] + f"/resource_tracker.{os.getpid()}.*/rows.0")
    before, end = os.path.getsize(rows), time.monotonic() + 120
    while os.path.getsize(rows) < before + 2000 and time.monotonic() < end:  # some rows
        time.sleep(0.02)

def stop_what_watches():
    spool = os.environ["TMPDIR"] + f"/resource_tracker.{os.getpid()}."
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                ours = spool in file.read()
        except OSError:  # it has just ended
            continue
        if ours:
            os.kill(int(name), signal.SIGTERM)
    (rows,) = glob.glob(spool + "*/rows.0")
    while b"stopping" not in open(rows, "rb").read():
        time.sleep(0.02)

class Pressed:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGINT)
        return (Pressed, ())

class Dying:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    DeathFlow()
"""
)


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> FlowRun:
    """One run, whose tasks die in all ways; @catch lets it go on."""
    folder = FlowFolder(tmp_path_factory.mktemp("deaths"))
    folder.write(DEATHS)
    run = folder.call("run", "--max-workers", "2")
    assert run.returncode == 0, run.output
    assert wait_until_clean(run) == []
    return run


def summaries_of(task: Any) -> dict[int, TaskSummary]:
    with every_namespace():
        found = [decode_summary(datum.value) for datum in task.metadata if datum.name == SUMMARY_FIELD]
    return {summary.attempt: summary for summary in found}


def by_way(run: FlowRun) -> dict[str, Any]:
    """The task of each way to die."""
    with every_namespace():
        tasks = {task.index: task for task in run.run()["work"]}
    return dict(zip(WAYS, (tasks[n] for n in range(len(WAYS))), strict=True))


def card_of(run: FlowRun, task: Any) -> str:
    """What stands on the card of the first attempt."""
    found = [card for card in run.cards() if f"/work/tasks/{task.id}/" in str(card) and "_attempt_" not in card.name]
    (page,) = found
    return re.sub(r"<(script|style).*?</\\1>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("way", "cause", "status"),
    [
        ("SIGKILL", "killed by SIGKILL", "failed"),
        ("SIGTERM", "killed by SIGTERM", "failed"),
        ("SIGSEGV", "killed by SIGSEGV", "failed"),
        ("exit", "exit code 3", "failed"),
        ("persist", "killed by SIGKILL", "failed"),
        ("goodbye", "killed by SIGKILL", "failed"),
        ("stopped", "killed by SIGTERM", "failed"),
    ],
)
def test_each_death_is_told(deaths: FlowRun, way: str, cause: str, status: str) -> None:
    """Metadata and card name the cause, where it was read, and what was used until then; there is one summary."""
    task = by_way(deaths)[way]
    (summary,) = summaries_of(task).values()
    assert (summary.attempt, summary.status, summary.ended_by) == (0, status, cause)
    assert summary.ended_source in ("pidfd", "/proc/PID/stat", "Metaflow's record of the task")
    assert summary.request_memory_mb == 300
    assert task.metadata_dict["resource-tracker-ending"].startswith(cause)
    text = card_of(deaths, task)
    assert cause.lower() in text.lower()
    assert "What ended the step" in text
    assert summary.ended_source in text.replace("&#39;", "'")


@pytest.mark.parametrize("way", ["Ctrl-C twice", "Ctrl-C, persist"])
def test_ctrl_c_pressed_again(deaths: FlowRun, way: str) -> None:
    """Also where it is pressed again while the last card, or Metaflow's artifacts, are written: it reads as Ctrl-C."""
    task = by_way(deaths)[way]
    (summary,) = summaries_of(task).values()
    assert (summary.status, summary.exception_type, summary.ended_by) == ("failed", "KeyboardInterrupt", None)
    assert "Interrupted (Ctrl-C)" in card_of(deaths, task)


def test_a_machine_that_is_being_stopped(deaths: FlowRun) -> None:
    """SIGTERM to what watches does not end it: it says so, when the task goes, too."""
    summary = summaries_of(by_way(deaths)["stopped"])[0]
    assert re.search(r"What watched it got SIGTERM at \d\d:\d\d:\d\d UTC", summary.ended_evidence or "")


def test_what_was_used_until_then_is_known(deaths: FlowRun) -> None:
    """Also of a task that died while its artifacts were saved, when its own code had ended well."""
    tasks = by_way(deaths)
    peak = summaries_of(tasks["persist"])[0].memory_peak_kib
    assert peak is not None and peak * 1024 > 100e6


def test_history_counts_them(deaths: FlowRun) -> None:
    """Later runs learn from each what it used until it died; none of them is one of which nothing is known."""
    deaths.run()  # the client now looks into this folder
    given = {"namespace": None, "current_run_id": "0", "max_runs": 5}
    found = read_summaries(client_provider(), "DeathFlow", "work", **given)
    peaks = [summary.memory_peak_kib for summary in found if summary.ended_by]
    assert len(peaks) == 7
    assert all(peak is not None and peak * 1024 > 100e6 for peak in peaks)
    assert history_of(found, max_runs=5, reason=None).lost_attempts is None


def why(run: FlowRun, pathspec: str) -> list[dict[str, Any]]:
    """What the command line says of attempts."""
    done = subprocess.run(
        [sys.executable, "-m", "resource_tracker", "why", pathspec, "--json"],
        cwd=run.folder,
        env=FlowFolder.at(run.folder.parent).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_why_explains_them(deaths: FlowRun) -> None:
    """The command line says of each attempt that was lost what ended it."""
    found = {one["pathspec"]: one for one in why(deaths, f"DeathFlow/{deaths.run_id}")}
    kinds = {way: found[task.pathspec]["kind"] for way, task in by_way(deaths).items()}
    killed = dict.fromkeys(("SIGKILL", "SIGTERM", "persist", "goodbye", "stopped"), "killed")
    interrupted = dict.fromkeys(("Ctrl-C twice", "Ctrl-C, persist"), "stopped")
    assert kinds == {**killed, **interrupted, "SIGSEGV": "crash", "exit": "exit"}
    headlines = {way: found[task.pathspec]["headline"] for way, task in by_way(deaths).items()}
    assert headlines["Ctrl-C twice"] == headlines["Ctrl-C, persist"] == "It was interrupted by the user (Ctrl-C)"
    assert headlines["stopped"] == "It was killed by SIGTERM: its machine, container or job was being stopped"


REMOTE = """
import glob, os, signal, time
from metaflow import FlowSpec, current, resources, step, track_resources

def await_file(pattern):
    end = time.monotonic() + 120
    while not glob.glob(pattern, recursive=True) and time.monotonic() < end:
        time.sleep(0.05)

def to_all_of_the_container(number):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                ours = os.environ["TMPDIR"] + "/resource_tracker." in file.read()
            if ours:
                os.kill(int(name), number)
        except OSError:
            pass

class RemoteFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work)

    @resources(memory=300)
    @track_resources(refresh_interval=1)
    @step
    def work(self):
        held = b"x" * 100_000_000
        if current.retry_count:
            await_file(os.environ["TMPDIR"] + "/resource_tracker.*/attempt_before")
        else:
            await_file(".metaflow/mf.cards/**/*.data.json")
            if os.environ["HOW"] == "stopped":
                to_all_of_the_container(signal.SIGTERM)
                (data,) = glob.glob(".metaflow/mf.cards/**/*.data.json", recursive=True)
                while "stopping_at" not in open(data).read():
                    time.sleep(0.02)
            to_all_of_the_container(signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    RemoteFlow()
"""


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("at once", "its container or machine went at once"),
        ("stopped", "its machine, container or job was being stopped"),
    ],
)
def test_a_container_that_is_killed_as_a_whole(tmp_path: Path, how: str, words: str) -> None:
    """Its last record is what the next attempt reads, says in its log and card, and leaves in the metadata."""
    folder = FlowFolder(tmp_path)
    folder.write(REMOTE)
    paths = ("--run-id", "one", "--task-id")
    folder.call("init", *paths, "t0")
    folder.call("step", "start", *paths, "t1", "--input-paths", "one/_parameters/t0")
    work = ("step", "work", *paths, "t2", "--input-paths", "one/start/t1")
    soon = {"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER": "0", "HOW": how}
    first = folder.call(*work, **soon)
    assert first.returncode == -9
    for spool in (folder.home / "tmp").glob("resource_tracker.*"):  # it went with the container
        shutil.rmtree(spool)
    (running,) = why(first, "RemoteFlow/one/work/t2")  # nobody knows better yet
    assert running["kind"] == "running" and "Its memory peaked at" in " ".join(running["sentences"])
    (data,) = (folder.folder / ".metaflow" / "mf.cards").rglob("*.data.json")
    content = json.loads(data.read_text())
    early = json.loads(content["resource_tracker_early"])
    early |= {name: early[name] - 3600 for name in ("finished_at", "stopping_at") if name in early}  # an hour passes
    data.write_text(json.dumps(content | {"resource_tracker_early": json.dumps(early)}))
    (left,) = why(first, "RemoteFlow/one/work/t2")
    assert left["kind"] == "interrupted" and words in left["headline"]
    assert "Its memory peaked at" in " ".join(left["sentences"])
    (live,) = first.cards()
    assert 'id="elapsed"' in live.read_text()
    run = folder.call(*work, "--retry-count", "1", "--max-user-code-retries", "1", **soon)
    assert run.returncode == 0, run.output
    said = [line for line in run.our_lines if "attempt 0: it was interrupted" in line]
    assert len(said) == 1 and words in said[0]
    assert wait_until_clean(run) == []
    before = run.task_data("one/work/t2")["resource_tracker_data"]["attempt_before"]
    assert before["attempt"] == 0 and words in before["text"]
    summaries = summaries_of(metaflow.Task("RemoteFlow/one/work/t2"))
    assert [summaries[number].status for number in (0, 1)] == ["failed", "ok"]
    assert summaries[0].ended_by == "interrupted"
    assert summaries[0].memory_peak_kib
    last = live.read_text()
    assert 'id="elapsed"' not in last and 'METAFLOW_RELOAD_TOKEN="final"' in last
    assert "What ended the step" in last and '"id":"memory"' in last  # the charts of the live one


RETRIED = """
import glob, os, signal, time
from metaflow import FlowSpec, current, retry, step, track_resources

def wait_for(found):
    end = time.monotonic() + 120
    while not found() and time.monotonic() < end:
        time.sleep(0.05)

def spool():
    return os.environ["TMPDIR"] + f"/resource_tracker.{os.getpid()}."

def kill_all_that_watches():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline") as file:
                ours = spool() in file.read()
            if ours:
                os.kill(int(name), signal.SIGKILL)
        except OSError:
            pass

class RetriedFlow(FlowSpec):
    @step
    def start(self):
        self.ways = ["all", "exit", "exception"]
        self.next(self.work, foreach="ways")

    @retry(times=1, minutes_between_retries=0)
    @track_resources(refresh_interval=1, interval=0.2)
    @step
    def work(self):
        held = b"x" * 100_000_000
        data = f".metaflow/mf.cards/**/tasks/{current.task_id}/**/*.data.json"
        wait_for(lambda: glob.glob(data, recursive=True))
        if current.retry_count:
            if self.input != "exception":
                wait_for(lambda: glob.glob(spool() + "*/attempt_before") or told_at_start())
        elif self.input == "all":
            kill_all_that_watches()
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.input == "exit":
            os._exit(3)
        else:
            raise ValueError("of the user")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

def told_at_start():
    (order,) = glob.glob(spool() + "*/order")
    with open(order) as file:
        return '"attempt_before": {' in file.read()

if __name__ == "__main__":
    RetriedFlow()
"""


def test_a_retry_says_what_ended_the_attempt_before(tmp_path: Path) -> None:
    """In one line of its log, in its card, and on the page of the dead one; also where all that watched was killed."""
    folder = FlowFolder(tmp_path)
    folder.write(RETRIED)
    run = folder.call("run", "--max-workers", "2", METAFLOW_RESOURCE_TRACKER_LIVE_AFTER="0")
    assert run.returncode == 0, run.output
    assert wait_until_clean(run) == []
    with every_namespace():
        tasks = {way: task for way, task in zip(["all", "exit", "exception"], by_index(run), strict=True)}
    causes = {"all": "killed by SIGKILL", "exit": "exit code 3"}
    for way, task in tasks.items():
        lines = [line for line in run.our_lines if f"/work/{task.id} " in line and "] attempt 0: " in line]
        assert len(lines) == (way in causes), run.output
        if way not in causes:
            continue
        assert causes[way] in lines[0] and "its memory had peaked at 1" in lines[0]
        assert lines[0].endswith(f"More: resource-tracker why {task.pathspec}")
        assert ", seen in " in lines[0]
        text = card_of(run, task)
        assert "What ended the step" in text
        assert summaries_of(task)[0].ended_by == causes[way]
        assert task["resource_tracker_data"].data["attempt_before"]["died"] is True


def by_index(run: FlowRun) -> list[Any]:
    """The tasks of the foreach, in its order."""
    return sorted(run.run()["work"], key=lambda task: task.index)


HUNGRY = """
import glob, os, time
from metaflow import FlowSpec, current, resources, retry, step, track_resources

def is_told():
    for folder in glob.glob(os.environ["TMPDIR"] + "/resource_tracker.*"):
        if os.path.exists(folder + "/attempt_before"):
            return True
        with open(folder + "/order") as file:
            if '"attempt_before": {' in file.read():
                return True

class HungryFlow(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @resources(memory=256)
    @track_resources
    @step
    def start(self):
        held = []
        while not current.retry_count:
            held.append(b"x" * 8_000_000)
            time.sleep(0.01)
        end = time.monotonic() + 120
        while not is_told() and time.monotonic() < end:
            time.sleep(0.05)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    HungryFlow()
"""


def test_the_kernels_out_of_memory_killer(tmp_path: Path) -> None:
    """A real limit: cause, source and advice above it; the next attempt, which began at once, is told what to raise."""
    folder = FlowFolder(tmp_path)
    folder.write(HUNGRY)
    with real_groups("memory") as (group,):
        (group / "memory.limit_in_bytes").write_text("400000000")
        inside = ("sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh")
        run = folder.call("run", prefix=inside)
        assert run.returncode == 0, run.output
        assert wait_until_clean(run) == []
    died = summaries_of(run.task("start"))[0]
    assert (died.status, died.ended_by, died.ran_out_of_memory) == ("failed", "out of memory", True)
    assert (died.ended_source or "").startswith("cgroup oom_kill, ")
    assert died.memory_limit_mib == pytest.approx(400e6 / 1024**2, rel=0.01)
    (line,) = (line for line in run.our_lines if "] attempt 0: it ran out of memory. Ask for at least memory=" in line)
    assert int(re.findall(r"memory=(\d+)", line)[0]) > 400
    assert "out of memory" in str(run.record("start")["attempt_before"]["text"]).lower()


@pytest.mark.slow
def test_a_run_that_is_interrupted(tmp_path: Path) -> None:
    """Metaflow kills what does not end by itself: that is told apart from a kill that nobody knows of."""
    folder = FlowFolder(tmp_path)
    folder.write(REMOTE.replace('await_file(".metaflow/mf.cards/**/*.data.json")', "time.sleep(600)"))
    command = [sys.executable, "flow.py", "run"]
    with subprocess.Popen(
        command,
        cwd=folder.folder,
        env=folder.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as runtime:
        wait_until(lambda: [*(folder.home / "tmp").glob("resource_tracker.*/order")], "a tracked task")
        runtime.send_signal(signal.SIGINT)
        output, _ = runtime.communicate(timeout=120)
    run = FlowRun(returncode=runtime.returncode, output=output, folder=folder.folder, home=folder.home)
    assert wait_until_clean(run) == []
    (summary,) = summaries_of(run.task("work")).values()
    assert (summary.ended_by, summary.ended_source) == ("stopped with the run", "Metaflow's record of the task")
