"""Does something whose use is known; says as JSON what a tracker makes of it: ``truth.py ours|peer spike|short``."""

import ctypes
import json
import mmap
import resource
import subprocess
import sys
import time

from resource_tracker import ResourceTracker

KIB_OF_MIB = 1024
SPIKE_MIB, SPIKE_S = 1024, 0.2
CHILDREN = 150
BURN = "import time\nend = time.process_time() + 0.03\nwhile time.process_time() < end: pass"


def spike():
    """Memory between the whole seconds, at which some trackers look; again where the machine was too slow for that."""
    for _ in range(5):
        time.sleep(2.15 - time.time() % 1)
        second = int(time.time())
        memory = mmap.mmap(-1, SPIKE_MIB << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        held = ctypes.c_char.from_buffer(memory)
        ctypes.memset(ctypes.addressof(held), 1, SPIKE_MIB << 20)
        time.sleep(SPIKE_S)
        del held
        memory.close()
        if int(time.time()) == second:
            break
    time.sleep(1.5)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_OF_MIB


def short():
    """Children that end long before anybody looks."""
    before = used_cpu_s()
    for _ in range(CHILDREN):
        subprocess.run([sys.executable, "-I", "-S", "-c", BURN])
    spent_s = used_cpu_s() - before
    time.sleep(1.2)
    return spent_s


def used_cpu_s():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


tracker_kind, kind = sys.argv[1:]
if tracker_kind == "ours":
    tracker = ResourceTracker(interval=1)
else:
    tracker = ResourceTracker(interval=1, discover_server=False, discover_cloud=False)
tracker.start()
if tracker_kind == "peer":
    tracker.wait_for_samples()
truth = {"spike": spike, "short": short}[kind]()
if tracker_kind == "ours":
    tracker.stop()
    usage = tracker.record.usage
    seen = usage.overall_memory_peak_kib / KIB_OF_MIB if kind == "spike" else usage.cpu_seconds
    advised_mb = tracker.recommend_resources().memory_mb
else:
    rows = tracker.process_metrics
    seen = max(rows["memory_mib"]) if kind == "spike" else sum(rows["utime"]) + sum(rows["stime"])
    advised_mb = tracker.recommend_resources()["memory"]
    tracker.stop()
print(json.dumps({"truth": truth, "seen": seen, "advised_mb": advised_mb}))
