"""Watches a process with one of the trackers: ``watch.py ours|peer PID``. Says the watching processes' pids."""

import os
import sys

kind, pid = sys.argv[1], int(sys.argv[2])
if kind == "ours":
    from resource_tracker.tracker import SamplerProcess

    tracker = SamplerProcess.start(pid=pid, interval_s=1.0)
    watchers = [tracker.sampler_pid]
else:
    from resource_tracker import ResourceTracker

    tracker = ResourceTracker(pid=pid, interval=1, discover_server=False, discover_cloud=False)
    tracker.start()
    watchers = [tracker.process_tracker_process.pid, tracker.system_tracker_process.pid]
print(*watchers, flush=True)
sys.stdin.read()
tracker.stop()
if kind == "ours":
    tracker.remove()
os._exit(0)
