"""Is watched for a while, with whatever GPUs the library on the search path shows; says what that took, as JSON."""

import json
import os
import sys
import time
from pathlib import Path

from resource_tracker.tracker import SamplerProcess

SETTLING_ROWS = 3

seconds = float(sys.argv[1])
sampler = SamplerProcess.start(pid=os.getpid(), interval_s=1.0, start_timeout_s=10)
threads = Path(f"/proc/{sampler.sampler_pid}/task")


def cpu_s() -> float:
    return sum(int(path.read_text().split()[0]) for path in threads.glob("*/schedstat")) / 1e9


time.sleep(SETTLING_ROWS)
before_s, begun_s = cpu_s(), time.monotonic()
time.sleep(seconds)
share = (cpu_s() - before_s) / (time.monotonic() - begun_s)
lines = Path(f"/proc/{sampler.sampler_pid}/smaps_rollup").read_text().splitlines()
pss_kib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
rows = sampler.measurements()
sampler.stop()
sampler.remove()
lengths = rows.process["interval_s"][SETTLING_ROWS:]
known = [
    sum(value == value for frame in rows.gpu_frames for value in frame[name][SETTLING_ROWS:])
    / max(sum(len(frame) - SETTLING_ROWS for frame in rows.gpu_frames), 1)
    for name in ("usage", "power_w", "temperature_c", "pcie_sent_bytes_per_s")
]
print(
    json.dumps(
        {
            "gpus": len(rows.gpu_frames),
            "cpu_share": share,
            "pss_kib": pss_kib,
            "latest_row_s": max(lengths) - 1.0,
            "samples": sum(rows.process["samples"][SETTLING_ROWS:]) / max(len(lengths), 1),
            "known": known,
        }
    )
)
