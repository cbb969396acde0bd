"""Flows that do to a step whatever real steps do. Each runs with and without `@track_resources`.

`{track}` marks each decorated step; in the bare run a comment stands in its place, so that line numbers agree.
"""

from __future__ import annotations

from textwrap import dedent, indent

TRACK = "{track}"

_FLOW = """\
import ctypes, os, signal, subprocess, sys, time
import multiprocessing
from metaflow import FlowSpec, Parameter, catch, current, parallel, resources, retry, step, timeout, track_resources

{top}
class HarmFlow(FlowSpec):
    @step
    def start(self):
        self.before = "kept"
        self.next(self.work)

    {track}
{decorators}    @step
    def work(self):
{body}
        self.next(self.end)

    {track}
    @step
    def end(self):
        print("result", getattr(self, "result", None), getattr(self, "before", None))


if __name__ == "__main__":
    HarmFlow()
"""


def linear(body: str, *, decorators: str = "", top: str = "") -> str:
    """start → work → end, with `body` in the middle."""
    lines = "".join(f"    {line}\n" for line in decorators.splitlines())
    text = _FLOW.replace("{top}", dedent(top)).replace("{decorators}", lines)
    return text.replace("{body}", indent(dedent(body).strip("\n"), "        "))


FOREACH = """\
from metaflow import FlowSpec, step, track_resources

class HarmFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range({count}))
        self.next(self.work, foreach="items")

    {track}
    @step
    def work(self):
        self.result = self.input ** 2
        self.next(self.join)

    {track}
    @step
    def join(self, inputs):
        self.total = sum(i.result for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)

if __name__ == "__main__":
    HarmFlow()
"""

BRANCHES = """\
from metaflow import FlowSpec, step, track_resources

class HarmFlow(FlowSpec):
    {track}
    @step
    def start(self):
        self.shared = "same"
        self.next(self.left, self.right)

    {track}
    @step
    def left(self):
        self.from_left = 1
        self.next(self.join)

    {track}
    @step
    def right(self):
        self.from_right = 2
        self.next(self.join)

    {track_join}
    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        print("merged", self.shared, self.from_left, self.from_right)
        self.next(self.end)

    @step
    def end(self):
        print("end", self.from_left)

if __name__ == "__main__":
    HarmFlow()
"""

PARALLEL = """\
from metaflow import FlowSpec, current, parallel, step, track_resources

class HarmFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=3)

    {track}
    @parallel
    @step
    def work(self):
        self.node = current.parallel.node_index
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = sorted(i.node for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("nodes", self.nodes)

if __name__ == "__main__":
    HarmFlow()
"""

BODIES = {
    "waits_without_children": """
        try:
            self.result = os.wait()
        except ChildProcessError:
            self.result = 'no child'
    """,
    "waits_for_a_child": """
        child = os.fork()
        if child == 0:
            os._exit(7)
        pid, status = os.wait()
        self.result = (pid == child, os.waitstatus_to_exitcode(status))
    """,
    "joins_active_children": """
        worker = multiprocessing.get_context('fork').Process(target=time.sleep, args=(0.2,))
        worker.start()
        for child in multiprocessing.active_children():
            child.join()
        self.result = worker.exitcode
    """,
    "closes_descriptors": "os.closerange(3, 4096)",
    "closes_every_descriptor": "os.closerange(0, 4096)",
    "counts_descriptors_and_threads": """
        import threading
        handlers = [signal.getsignal(s) for s in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM)]
        self.result = (len(os.listdir('/proc/self/fd')), threading.active_count(), handlers == [0, 0, 0])
    """,
    "ignores_sigchld": """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        subprocess.run(['true'])
    """,
    "deletes_its_directory": """
        import shutil, tempfile
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        shutil.rmtree(folder)
    """,
    "stdin_locale_and_limits": """
        import locale, resource
        here = os.path.dirname(os.path.abspath(__file__))
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        stdin = sys.stdin is None or sys.stdin.closed
        self.result = (stdin, locale.getlocale(), limit, os.nice(0), sys.path[0] == here)
    """,
    "own_standard_error": """
        sys.stderr = open('err.txt', 'w')
        os.closerange(0, 3)
        files = [open(f'{i}.txt', 'w') for i in range(3)]
    """,
    "forks_a_daemon": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 64)
                time.sleep(1.5)
                os._exit(0)
            os._exit(0)
        os.wait()
    """,
    "artifact_of_our_name_that_is_none": "setattr(self, 'resource_' + 'tracker_data', None)",
    "artifact_of_our_name_by_setattr": "setattr(self, 'resource_' + 'tracker_data', 'mine')",
    "artifact_of_our_name": "self.resource_tracker_data = {'mine': 1}",
}
"""What a step may do that harms nobody, by its name. They share a run; an artifact is inherited, so ours come last."""


def one_after_the_other(bodies: dict[str, str]) -> str:
    """A flow with a tracked step for each of `bodies`."""
    nexts = [*list(bodies)[1:], "end"]
    steps = "".join(
        f"    {{track}}\n    @step\n    def {name}(self):\n{indent(dedent(body).strip(), ' ' * 8)}\n"
        f"        self.next(self.{after})\n\n"
        for (name, body), after in zip(bodies.items(), nexts, strict=True)
    )
    first = next(iter(bodies))
    before, _, after = linear("").partition("    {track}\n    @step\n    def work(self):\n")
    return before.replace("self.work", f"self.{first}") + steps + after.partition("self.next(self.end)\n\n")[2]


SCENARIOS = {
    "success": linear("self.result = sum(range(1000))"),
    "exception": linear("self.result = 1\nraise ValueError('of the user')"),
    "retry": linear(
        "if current.retry_count < 1:\n    raise RuntimeError('first attempt')\nself.result = current.retry_count",
        decorators="@retry(times=2, minutes_between_retries=0)",
    ),
    "catch": linear("raise RuntimeError('caught')", decorators="@catch(var='problem')"),
    "retry then catch": linear(
        "raise RuntimeError('caught')",
        decorators="@catch(var='problem')\n@retry(times=1, minutes_between_retries=0)",
    ),
    "timeout": linear("self.result = 1\ntime.sleep(60)", decorators="@timeout(seconds=2)"),
    "foreach of 4": FOREACH.replace("{count}", "4"),
    "parallel": PARALLEL,
    "os._exit(3)": linear("self.result = 1\nos._exit(3)"),
    "SEGV": linear("ctypes.string_at(0)"),
    "SIGKILL": linear("os.kill(os.getpid(), signal.SIGKILL)"),
    "SIGTERM": linear("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"),
    "unpicklable artifact": linear("import threading\nself.result = threading.Lock()"),
    "executable vanished": linear(
        "self.result = 1", top="if 'step' in sys.argv:\n    sys.executable = '/nonexistent/python'\n"
    ),
    "executable unknown": linear("self.result = 1", top="if 'step' in sys.argv:\n    sys.executable = None\n"),
    "subreaper": linear(
        "try:\n    self.result = os.wait()\nexcept ChildProcessError:\n    self.result = 'no child'",
        top="if 'step' in sys.argv:\n    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n",
    ),
    "whatever harms nobody": one_after_the_other(BODIES),
    "tracked join merges": BRANCHES.replace("{track_join}", TRACK),
    "untracked join merges": BRANCHES.replace("{track_join}", "# untracked"),
    "large environment": linear("self.result = len(os.environ['BIG'])", top="os.environ['BIG'] = 'x' * 100_000\n"),
    "alarm of its own while we work": linear(
        "self.result = 1\n"
        "def ring(*_):\n    raise RuntimeError('of the user')\n"
        "signal.signal(signal.SIGALRM, ring)\nsignal.setitimer(signal.ITIMER_REAL, 0.3)\ntime.sleep(5)"
    ),
}

FAILING = {
    "exception",
    "alarm of its own while we work",
    "timeout",
    "os._exit(3)",
    "SEGV",
    "SIGKILL",
    "SIGTERM",
    "unpicklable artifact",
}
"""Scenarios in which the bare run fails: in all others a failure would be the test's own."""
