"""Does something whose use is known; says as JSON what a tracker makes of it: ``truth.py ours|peer WORKLOAD``."""

import ctypes
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing import get_context

from resource_tracker import ResourceTracker

KIB_OF_MIB = 1024
SPIKE_MIB, CHILD_MIB, SHARED_MIB = 1024, 500, 1024
BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
HOLD = "x = bytearray(b'x') * ({mib} << 20)\nprint(flush=True)\ninput()\n"
PYTHON = [sys.executable, "-I", "-S", "-c"]


# --- memory, in MiB -----------------------------------------------------------------------------


def spike(seconds):
    """Memory between the whole seconds, at which some trackers look; again where the machine was too slow for that."""
    for _ in range(5):
        time.sleep(2.15 - time.time() % 1)
        second = int(time.time())
        memory = mmap.mmap(-1, SPIKE_MIB << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        held = ctypes.c_char.from_buffer(memory)
        ctypes.memset(ctypes.addressof(held), 1, SPIKE_MIB << 20)
        time.sleep(seconds)
        del held
        memory.close()
        if int(time.time()) == second:
            break
    time.sleep(1.5)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_OF_MIB


def short_child():
    """It touches its memory, and is gone."""
    time.sleep(1.2 - time.time() % 1)
    subprocess.run([*PYTHON, f"x = bytearray(b'x') * ({CHILD_MIB} << 20)"])
    time.sleep(1.5)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIB_OF_MIB + own_mib()


def children_in_turn():
    """Ten children, each of which spikes at another time while all live: the most at once is one spike."""
    code = "import sys, time\nfor line in sys.stdin:\n x = bytearray(b'x') * (100 << 20)\n del x\n print(flush=True)\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([*PYTHON, code], **pipes) for _ in range(10)]
    time.sleep(1.2)
    for child in children:
        child.stdin.write("go\n"), child.stdin.flush(), child.stdout.readline()
        time.sleep(0.25)
    together = own_mib() + sum(pss_mib(child.pid) for child in children)
    for child in children:
        child.stdin.close(), child.wait()
    return together + 100


def shared():
    """Forks of one process use its memory together."""
    data = bytearray(b"x") * (SHARED_MIB << 20)
    context = get_context("fork")
    ready, go = context.Barrier(6), context.Event()
    children = [context.Process(target=lambda: (ready.wait(), go.wait())) for _ in range(5)]
    for child in children:
        child.start()
    ready.wait()
    time.sleep(3)
    together = own_mib() + sum(pss_mib(child.pid) for child in children)
    go.set()
    for child in children:
        child.join()
    return together + 0 * len(data)


def pss_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / KIB_OF_MIB


def own_mib():
    return pss_mib("self")


# --- CPU time, in seconds -----------------------------------------------------------------------


def waited(command_of):
    """Runs commands; the kernel keeps what children used that were waited for."""
    before = used_cpu_s()
    command_of()
    spent_s = used_cpu_s() - before
    time.sleep(1.2)
    return spent_s


def used_cpu_s():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def sequential():
    for _ in range(1000):
        subprocess.run([*PYTHON, BURN.format(seconds=0.01)])


def grandchildren():
    shell = "; ".join('"$@"' for _ in range(25))
    for _ in range(4):
        subprocess.run(["sh", "-c", shell, "sh", *PYTHON, BURN.format(seconds=0.03)])


def pool():
    with get_context("fork").Pool(4) as workers:
        workers.map(burn, [0.3, 0.4, 0.5, 0.6])
        workers.close(), workers.join()


def library_threads():
    import hashlib

    threads = [threading.Thread(target=hashlib.pbkdf2_hmac, args=("sha256", b"x", b"y", 1_500_000)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def burn(seconds):
    while time.process_time() < seconds:
        pass


def told(start):
    """Processes that nobody waits for write down what they used."""
    with tempfile.NamedTemporaryFile("r") as file:
        os.environ["TRUTH_FILE"] = file.name
        before = time.process_time()
        start()
        spent_s = time.process_time() - before + sum(float(line) for line in file.read().splitlines())
    time.sleep(1.2)
    return spent_s


TELL = "import os\nopen(os.environ['TRUTH_FILE'], 'a').write(f'{time.process_time()}\\n')\nos._exit(0)\n"


def unwaited():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(20):
        subprocess.Popen([*PYTHON, BURN.format(seconds=0.2) + TELL]).wait()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def daemon():
    awaited, held = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            burn(10.0)
            exec("import time\n" + TELL)
            os._exit(0)
        os._exit(0)
    os.close(held)
    os.wait()
    os.read(awaited, 1)


WORKLOADS = {
    "spike": ("MiB", lambda: spike(0.2)),
    "blip": ("MiB", lambda: spike(0.02)),
    "short child": ("MiB", short_child),
    "children in turn": ("MiB", children_in_turn),
    "shared": ("MiB", shared),
    "sequential": ("s", lambda: waited(sequential)),
    "grandchildren": ("s", lambda: waited(grandchildren)),
    "unwaited": ("s", lambda: told(unwaited)),
    "daemon": ("s", lambda: told(daemon)),
    "pool": ("s", lambda: waited(pool)),
    "threads": ("s", lambda: waited(library_threads)),
}

if __name__ == "__main__":
    tracker_kind, kind = sys.argv[1:]
    unit, workload = WORKLOADS[kind]
    if tracker_kind == "ours":
        tracker = ResourceTracker(interval=1)
    else:
        tracker = ResourceTracker(interval=1, discover_server=False, discover_cloud=False)
    tracker.start()
    if tracker_kind == "peer":
        tracker.wait_for_samples()
    time.sleep(0.2)  # no program starts another in its first hundredth of a second
    truth = workload()
    if tracker_kind == "ours":
        tracker.stop()
        usage = tracker.record.usage
        seen = usage.overall_memory_peak_kib / KIB_OF_MIB if unit == "MiB" else usage.cpu_seconds
        advised_mb = tracker.recommend_resources().memory_mb
    else:
        rows = tracker.process_metrics
        seen = max(rows["memory_mib"]) if unit == "MiB" else sum(rows["utime"]) + sum(rows["stime"])
        advised_mb = tracker.recommend_resources()["memory"]
        tracker.stop()
    print(json.dumps({"truth": truth, "unit": unit, "seen": seen, "advised_mb": advised_mb}))
