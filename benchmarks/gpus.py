"""Watching GPUs whose driver takes its time: whether rows are late, and what the sampler uses. No GPU is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError, clean_environment, say
from benchmarks.tables import Table, against

ROOT = Path(__file__).parent.parent
PROGRAM = Path(__file__).parent / "programs" / "gpus.py"
STUB = ROOT / "tests" / "scenes" / "nvml_stub.c"
GPU = f"83 {9 << 30} power=250000 energy=1 temperature=66 sm=1410 mem=1215 reasons=4 rx=1000 tx=1000"
LATENCIES_US = {
    "UtilizationRates": 300,
    "MemoryInfo": 200,
    "ComputeRunningProcesses": 500,
    "TotalEnergyConsumption": 5000,
    "Temperature": 300,
    "ClockInfo": 1000,
    "CurrentClocksThrottleReasons": 1000,
    "PcieThroughput": 20_000,
    "Init": 700_000,
}
SEEN_FOR_S, SEEN_QUICKLY_FOR_S = 60.0, 20.0
ADDED_TARGET, MEMORY_TARGET_MB, LATE_TARGET_S = 0.3, 20.0, 0.05


@dataclass(frozen=True)
class Variant:
    """A machine: how many GPUs, and how the driver passes its time (``delay`` or ``spin``, as the stub calls it)."""

    name: str
    gpus: int
    how: str = ""


VARIANTS = (
    Variant("no GPU", 0),
    Variant("1 GPU, driver answers at once", 1),
    Variant("8 GPUs, driver answers at once", 8),
    Variant("8 GPUs, slow driver that waits", 8, "delay"),
    Variant("8 GPUs, slow driver that computes", 8, "spin"),
    Variant("16 GPUs, slow driver that waits", 16, "delay"),
)


def measure(folder: Path, quick: bool) -> list[Table]:
    """One variant after the other, each with a library of its own."""
    if shutil.which("cc") is None:
        raise BenchmarkError("the stand-in for NVIDIA's library needs a C compiler (cc)")
    found = Table(
        "Watching GPUs, at a row a second",
        (
            "",
            "CPU",
            "GPUs add",
            "target",
            "memory",
            "target",
            "latest row",
            "target",
            "samples",
            "use",
            "power",
            "PCIe",
        ),
    )
    bare: float | None = None
    seconds = SEEN_QUICKLY_FOR_S if quick else SEEN_FOR_S
    for variant in VARIANTS:
        say(f"GPUs: {variant.name}")
        one = _watch(variant, folder, seconds)
        late_s, cpu, memory_mb = one["latest_row_s"], 100 * one["cpu_share"], one["pss_kib"] * 1024 / 1e6
        bare = cpu if bare is None else bare
        use, power, _, pcie = one["known"]
        found.add(
            variant.name,
            f"{cpu:.2f} %",
            f"{cpu - bare:+.2f} %" if variant.gpus else "",
            against(cpu - bare, ADDED_TARGET, f"<= {ADDED_TARGET:g} %") if variant.gpus else "",
            f"{memory_mb:.1f} MB",
            against(memory_mb, MEMORY_TARGET_MB, f"<= {MEMORY_TARGET_MB:g} MB"),
            f"{1000 * late_s:+.0f} ms",
            against(late_s, LATE_TARGET_S, f"<= {1000 * LATE_TARGET_S:.0f} ms"),
            f"{one['samples']:.1f}",
            *(f"{100 * share:.0f} %" if variant.gpus else "" for share in (use, power, pcie)),
        )
    calls = ", ".join(f"{name} {us / 1000:g} ms" for name, us in LATENCIES_US.items())
    found.notes.append(f"A compiled stand-in for NVIDIA's library; where it is slow, each call takes: {calls}.")
    found.notes.append(
        "CPU: share of a core, all threads of the sampler. Latest row: how much longer than a second it was."
    )
    found.notes.append(
        "Samples: sub-samples of memory a row. Use, power, PCIe: rows of all GPUs with a figure that is not too old."
    )
    return [found]


def _watch(variant: Variant, folder: Path, seconds: float) -> dict[str, Any]:
    here = folder / f"gpus-{variant.gpus}-{variant.how or 'fast'}"
    here.mkdir()
    environment = {**clean_environment(folder), "PYTHONPATH": str(ROOT)}
    if variant.gpus:
        library = here / "libnvidia-ml.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-w", f'-DSTATE="{here}/state"', "-o", library, STUB], check=True)
        rules = [f"! {variant.how} {name} {us} -" for name, us in LATENCIES_US.items()] if variant.how else []
        (here / "state").write_text("\n".join([GPU] * variant.gpus + rules) + "\n")
        environment["LD_LIBRARY_PATH"] = f"{here}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    done = subprocess.run(
        [sys.executable, PROGRAM, str(seconds)], env=environment, cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"watching {variant.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    if result["gpus"] != variant.gpus:
        raise BenchmarkError(f"{variant.name}: {result['gpus']} GPUs were watched")
    return result
