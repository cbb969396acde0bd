"""GPUs: the real pynvml above a compiled stand-in for NVIDIA's library. No GPU is needed, and none is tested."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from scenes.tasks import environment, run_task

from resource_tracker.sampler import gpu
from resource_tracker.sampler.collector import Failures, Guard, Row
from resource_tracker.sampler.gpu import GpuCollector, NoGpuCollector, UnreadableGpuCollector, gpu_collector

MIB = 1 << 20
STUB = Path(__file__).parent / "scenes" / "nvml_stub.c"
OURS, OTHERS = 100, 200


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled library, and of the file `state` that says what its GPUs do."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    library = folder / gpu.LIBRARY
    state = f'-DSTATE="{folder}/state"'
    subprocess.run([compiler, "-shared", "-fPIC", "-w", state, "-o", str(library), str(STUB)], check=True)
    return folder


@pytest.fixture
def collector(stub: Path, monkeypatch: pytest.MonkeyPatch) -> GpuCollector:
    """A collector on the stub, with one process of ours."""
    import ctypes

    import pynvml

    (stub / "state").write_text("0 0\n0 0\n")
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(stub / gpu.LIBRARY)))
    pynvml._nvmlGetFunctionPointer_cache.clear()
    return GpuCollector(pynvml, lambda: {OURS}, Failures())


def read(stub: Path, collector: GpuCollector, *lines: str) -> tuple[list[float], list[float]]:
    """Usage, memory and count of GPUs in use: the step's, then the machine's."""
    (stub / "state").write_text("\n".join(lines) + "\n")
    row = Row()
    collector.read(row, 1.0)
    return [row.process[name] for name in gpu.COLUMNS], [row.system[name] for name in gpu.COLUMNS]


def test_gpu_of_our_own(stub: Path, collector: GpuCollector) -> None:
    """A GPU that only we use is ours with all of its utilisation; usage is a sum over GPUs."""
    own, machine = read(
        stub, collector, f"80 {600 * MIB} {OURS}:{500 * MIB}:70", f"40 {100 * MIB} {OURS}:{90 * MIB}:30"
    )
    assert own == [pytest.approx(1.2), 590, 2]
    assert machine == [pytest.approx(1.2), 700, 2]


def test_gpu_of_others(stub: Path, collector: GpuCollector) -> None:
    """What only others use is not ours."""
    own, machine = read(stub, collector, f"80 {600 * MIB} {OTHERS}:{500 * MIB}:70", "0 0")
    assert own == [0, 0, 0]
    assert machine == [pytest.approx(0.8), 600, 1]


def test_shared_gpu(stub: Path, collector: GpuCollector) -> None:
    """Where others use it, too, the driver's samples of our processes tell our share."""
    own, _ = read(stub, collector, f"90 {600 * MIB} {OURS}:{100 * MIB}:25 {OTHERS}:{400 * MIB}:65", "0 0")
    assert own == [pytest.approx(0.25), 100, 1]


def test_memory_that_the_driver_does_not_tell(stub: Path, collector: GpuCollector) -> None:
    """Memory that is not available is nan, not 0; utilisation is there."""
    own, machine = read(stub, collector, f"90 {600 * MIB} {OURS}:-:90", "0 0")
    assert own[0] == pytest.approx(0.9)
    assert math.isnan(own[1])
    assert machine[1] == 600


def test_hidden_processes(stub: Path, collector: GpuCollector) -> None:
    """A busy GPU without any process (the driver hides them from containers) is nobody's known use."""
    own, machine = read(stub, collector, f"90 {600 * MIB}", "0 0")
    assert all(math.isnan(value) for value in own)
    assert machine == [pytest.approx(0.9), 600, 1]


def test_lost_gpu(stub: Path, collector: GpuCollector) -> None:
    """A GPU that vanishes is told, its sums are nan, and the collector goes on when it is back."""
    own, machine = read(stub, collector, f"90 {600 * MIB} {OURS}:{MIB}:90", "lost")
    assert math.isnan(own[0])
    assert math.isnan(machine[0])
    assert [(source, reason) for source, _, reason in collector._failures.news()] == [("NVML", "GPU is lost")]
    own, _ = read(stub, collector, f"90 {600 * MIB} {OURS}:{MIB}:90", "0 0")
    assert own == [pytest.approx(0.9), 1, 1]


def test_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any GPU their use is 0; with one that cannot be read, it is nan, and said once."""
    monkeypatch.setattr(gpu, "LIBRARY_DIRS", ())
    monkeypatch.setattr(gpu, "DEVICES", ())
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert isinstance(gpu_collector("/nowhere", set, Failures()), NoGpuCollector)
    monkeypatch.setattr(gpu, "DEVICES", ("/dev/null",))
    unreadable = gpu_collector("/nowhere", set, Failures())
    assert isinstance(unreadable, UnreadableGpuCollector)
    failures, row = Failures(), Row()
    Guard(unreadable, failures).read(row, 1.0)
    assert math.isnan(row.system["gpu_usage"])
    assert [source for source, _, _ in failures.news()] == ["NVML"]


def test_sampler_reads_gpus(stub: Path, tmp_path: Path) -> None:
    """The sampler finds library and pynvml by itself, and the task's own process among those of the GPU."""
    spools = tmp_path / "spools"
    spools.mkdir()
    found = run_task(
        f"""
        open({str(stub / "state")!r}, "w").write(f"50 {{300 << 20}} {{os.getpid()}}:{{200 << 20}}:50")
        finish(start())
        """,
        spools,
        env=environment(LD_LIBRARY_PATH=f"{stub}:{os.environ.get('LD_LIBRARY_PATH', '')}"),
    )
    assert [found["process"][0][name] for name in gpu.COLUMNS] == [0.5, 200, 1]
    assert [found["system"][0][name] for name in gpu.COLUMNS] == [0.5, 300, 1]
    assert found["failed"] == []
