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

_DAEMON = """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 64)
        time.sleep(1.5)
        os._exit(0)
    os._exit(0)
os.wait()
self.result = "daemon runs"
"""

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
    "foreach of 8": FOREACH.replace("{count}", "8"),
    "parallel": PARALLEL,
    "os._exit(3)": linear("self.result = 1\nos._exit(3)"),
    "SEGV": linear("ctypes.string_at(0)"),
    "SIGKILL": linear("os.kill(os.getpid(), signal.SIGKILL)"),
    "SIGTERM": linear("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"),
    "unpicklable artifact": linear("import threading\nself.result = threading.Lock()"),
    "os.wait without children": linear(
        "try:\n    self.result = os.wait()\nexcept ChildProcessError:\n    self.result = 'no child'"
    ),
    "os.wait with a child": linear(
        "child = os.fork()\nif child == 0:\n    os._exit(7)\npid, status = os.wait()\n"
        "self.result = (pid == child, os.waitstatus_to_exitcode(status))"
    ),
    "joins active children": linear(
        "worker = multiprocessing.get_context('fork').Process(target=time.sleep, args=(0.2,))\nworker.start()\n"
        "for child in multiprocessing.active_children():\n    child.join()\nself.result = worker.exitcode"
    ),
    "closes descriptors": linear("os.closerange(3, 4096)\nself.result = 'closed'"),
    "closes every descriptor": linear("os.closerange(0, 4096)\nself.result = 'closed'"),
    "counts descriptors and threads": linear(
        "import threading\nself.result = (len(os.listdir('/proc/self/fd')), threading.active_count(), "
        "[signal.getsignal(s) for s in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM)] == [0, 0, 0])"
    ),
    "ignores SIGCHLD": linear(
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsubprocess.run(['true'])\nself.result = 1"
    ),
    "changes directory and deletes it": linear(
        "import shutil, tempfile\nfolder = tempfile.mkdtemp()\nos.chdir(folder)\n"
        "shutil.rmtree(folder)\nself.result = 'gone'"
    ),
    "forks a daemon": linear(_DAEMON),
    "own artifact of our name": linear("self.resource_tracker_data = {'mine': 1}\nself.result = 2"),
    "own artifact that is None": linear("setattr(self, 'resource_' + 'tracker_data', None)\nself.result = 2"),
    "own artifact by setattr": linear("setattr(self, 'resource_' + 'tracker_data', 'mine')\nself.result = 2"),
    "executable vanished": linear(
        "self.result = 1", top="if 'step' in sys.argv:\n    sys.executable = '/nonexistent/python'\n"
    ),
    "executable unknown": linear("self.result = 1", top="if 'step' in sys.argv:\n    sys.executable = None\n"),
    "subreaper": linear(
        "try:\n    self.result = os.wait()\nexcept ChildProcessError:\n    self.result = 'no child'",
        top="if 'step' in sys.argv:\n    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n",
    ),
    "tracked join merges": BRANCHES.replace("{track_join}", TRACK),
    "untracked join merges": BRANCHES.replace("{track_join}", "# untracked"),
    "large environment": linear("self.result = len(os.environ['BIG'])", top="os.environ['BIG'] = 'x' * 100_000\n"),
    "stdin, locale and limits": linear(
        "import locale, resource\nself.result = (sys.stdin is None or sys.stdin.closed, locale.getlocale(), "
        "resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0), "
        "sys.path[0] == os.path.dirname(os.path.abspath(__file__)))"
    ),
    "own standard error": linear(
        "sys.stderr = open('err.txt', 'w')\nos.closerange(0, 3)\nfiles = [open(f'{i}.txt', 'w') for i in range(3)]\n"
        "self.result = 1"
    ),
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
