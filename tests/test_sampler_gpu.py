"""GPUs: the real pynvml above a compiled stand-in for NVIDIA's library. No GPU is needed, and none is tested."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes.nvml import MIB, OTHERS, OURS, NvmlStub
from scenes.tasks import environment, run_task, wait_until

from resource_tracker.measured_gpus import gpus_of
from resource_tracker.sampler.collector import Failures, Guard, Row
from resource_tracker.sampler.gpu import choose, find
from resource_tracker.sampler.gpu.choose import NoGpuCollector, UnreadableGpuCollector, gpu_collector
from resource_tracker.sampler.gpu.collector import GpuCollector
from resource_tracker.sampler.gpu.nvml import NvmlBackend
from resource_tracker.sampler.gpu.ownership import BY_PROCESS, WHOLE_GPU, Ownership
from resource_tracker.sampler.gpu.port import MAX_GPUS, Backend, Gpu
from resource_tracker.sampler.gpu.readings import GROUPS, USE
from resource_tracker.sampler.gpu.rota import Rota
from resource_tracker.sampler.gpu.rows import SUMS
from resource_tracker.sampler.gpu.spool import GpuSpool
from resource_tracker.sampler.gpu.visible import BY_BUS, visible_gpus
from resource_tracker.sampler.spool_read import Spool, read_spool
from resource_tracker.sampler.worker import Worker

NO_PROC = "/nonexistent"


class AtOnce(Worker):
    """A worker without a thread: what it is asked for is done when it is asked."""

    def ask(self, work: Callable[[], object]) -> None:
        self.busy = True
        try:
            self._result = work()
        except Exception as error:  # as in the thread
            self._result = error

    def result(self, wait_s: float = 0.0) -> object:
        if not self.busy:
            return None
        self.busy = False
        return self._result


class Clock:
    """Monotonic seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Machine:
    """A collector on the stub, with one process of ours."""

    def __init__(self, stub: NvmlStub, nvml: object) -> None:
        self.stub = stub
        self.nvml = nvml
        self.failures = Failures()
        self.clock = Clock()
        self.pids = {OURS}

    def open(
        self,
        *lines: str,
        contained: bool = False,
        chosen: tuple[str | None, str | None] = (None, None),
        worker: Worker | None = None,
        expected: bool = True,
        proc: str = NO_PROC,
    ) -> Machine:
        self.stub.say(*lines)
        self.collector = GpuCollector(
            NvmlBackend(lambda: self.nvml),
            lambda: self.pids,
            self.failures,
            Ownership(proc, contained=contained),
            chosen,
            expected=expected,
            worker=worker or AtOnce(),
            clock=self.clock,
        )
        return self

    def row(self, *lines: str, after_s: float = 1.0, sub_samples: int = 0) -> Row:
        """A row, in which the GPUs do what `lines` say."""
        if lines:
            self.stub.say(*lines)
        for _ in range(sub_samples):
            self.clock.now_s += after_s / sub_samples
            self.collector.sub_sample(self.clock.now_s)
        if not sub_samples:
            self.clock.now_s += after_s
        row = Row()
        self.collector.read(row, after_s)
        return row

    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.failures.news(final=True)]


def sums(row: Row) -> tuple[list[float], list[float]]:
    """Usage, memory and count of GPUs in use: the step's, then the machine's."""
    return [row.process[name] for name in SUMS], [row.system[name] for name in SUMS]


def cells(row: Row, place: int = 0) -> dict[str, float]:
    assert row.gpus is not None
    return row.gpus.cells[place]


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> NvmlStub:
    return NvmlStub(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def machine(stub: NvmlStub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    yield Machine(stub, stub.load(monkeypatch))
    stub.say()  # whatever hangs goes on


class TestWhoseUse:
    """Which part of a GPU is the step's."""

    def test_ours_alone(self, machine: Machine) -> None:
        """A GPU that only we use is ours with all of its utilisation; usage is a sum over GPUs."""
        machine.open(f"80 {600 * MIB} {OURS}:{500 * MIB}:70", f"40 {100 * MIB} {OURS}:{90 * MIB}:30")
        row = machine.row()
        own, whole = sums(row)
        assert own == [pytest.approx(1.2), 590, 2]
        assert whole == [pytest.approx(1.2), 700, 2]
        assert (cells(row)["step_usage"], cells(row)["step_vram_mib"], cells(row)["other_vram_mib"]) == (0.8, 500, 100)
        assert cells(row, 1)["usage"] == 0.4
        assert row.gpus is not None
        assert row.gpus.source == BY_PROCESS

    def test_others_alone(self, machine: Machine) -> None:
        """What only others use is not ours."""
        machine.open(f"80 {600 * MIB} {OTHERS}:{500 * MIB}:70", "0 0")
        row = machine.row()
        assert sums(row) == ([0, 0, 0], [pytest.approx(0.8), 600, 1])
        assert cells(row)["other_vram_mib"] == 600

    def test_shared(self, machine: Machine) -> None:
        """Where others use it, too, the driver's samples of our processes tell our share."""
        machine.open(f"90 {600 * MIB} {OURS}:{100 * MIB}:25 {OTHERS}:{400 * MIB}:65", "0 0")
        row = machine.row()
        assert sums(row)[0] == [pytest.approx(0.25), 100, 1]
        assert cells(row)["other_vram_mib"] == 500

    def test_memory_that_the_driver_does_not_tell(self, machine: Machine) -> None:
        """Memory that is not available is nan, not 0; utilisation is there."""
        own, whole = sums(machine.open(f"90 {600 * MIB} {OURS}:-:90", "0 0").row())
        assert own[0] == pytest.approx(0.9)
        assert math.isnan(own[1])
        assert whole[1] == 600

    def test_drawing(self, machine: Machine) -> None:
        """A process of ours that draws without computing is found in the driver's other list."""
        own, _ = sums(machine.open(f"30 {300 * MIB} g{OURS}:{250 * MIB}:0").row())
        assert own == [pytest.approx(0.3), 250, 1]

    def test_busy_without_any_process(self, machine: Machine) -> None:
        """On a host, a busy GPU without any process in sight is nobody's known use."""
        own, whole = sums(machine.open(f"90 {600 * MIB}", "0 0").row())
        assert all(math.isnan(value) for value in own)
        assert whole == [pytest.approx(0.9), 600, 1]

    @pytest.mark.parametrize("processes", ["", f" {OTHERS}:{500 * MIB}:90"])
    def test_hidden_in_a_container(self, machine: Machine, processes: str) -> None:
        """In a container a driver that lists no process, or ids of the host, leaves the whole GPU to the step."""
        machine.open(f"0 {400 * MIB}", "0 0", contained=True)
        assert sums(machine.row())[0] == [0, 0, 0]
        row = machine.row(f"90 {600 * MIB}{processes}", "0 0")
        assert sums(row)[0] == [pytest.approx(0.9), 200, 1]  # what was there before is the driver's
        assert row.gpus is not None
        assert row.gpus.source == WHOLE_GPU

    def test_processes_of_the_same_container(self, machine: Machine, tmp_path: Path) -> None:
        """Another process of the container that the driver lists under an id that it has here: not ours."""
        (tmp_path / str(OTHERS)).mkdir()
        machine.open(f"90 {600 * MIB} {OTHERS}:{500 * MIB}:90", contained=True, proc=str(tmp_path))
        assert sums(machine.row())[0] == [0, 0, 0]

    def test_lists_are_believed_once_we_are_in_one(self, machine: Machine) -> None:
        """In a container whose driver knows our ids, a busy GPU without us is another's."""
        machine.open(f"90 {600 * MIB} {OURS}:{500 * MIB}:90", contained=True)
        assert sums(machine.row())[0][2] == 1
        row = machine.row(f"90 {600 * MIB}")
        assert sums(row)[0] == [0, 0, 0]

    def test_no_permission_to_list_processes(self, machine: Machine) -> None:
        """Where processes may not be listed, the step's part is nan on a host, and said once."""
        machine.open(f"90 {600 * MIB}", "! error ComputeRunningProcesses 4")
        for _ in range(3):
            own, whole = sums(machine.row())
        assert all(math.isnan(value) for value in own)
        assert whole[0] == pytest.approx(0.9)
        assert machine.reasons() == ["GPU 0, processes: Insufficient Permissions"]

    def test_gpu_that_the_step_may_not_use(self, machine: Machine) -> None:
        """In a container, a GPU that CUDA_VISIBLE_DEVICES leaves out is not the step's, hidden processes or not."""
        machine.open(f"0 {MIB}", f"0 {MIB}", contained=True, chosen=("1", None))
        machine.row()
        assert sums(machine.row(f"90 {600 * MIB}", f"40 {100 * MIB}"))[0] == [pytest.approx(0.4), 99, 1]


class TestFigures:
    """What one GPU tells of itself."""

    LINE = f"50 {MIB} power=250000 energy={{}} temperature=71 sm=1410 mem=1215 reasons=0x24 rx=1500 tx=300"

    def test_all(self, machine: Machine) -> None:
        """Power, temperature, clocks, reasons of throttling and PCIe, in the units of their names."""
        machine.open(self.LINE.format(1000), "! error TotalEnergyConsumption 3")
        for _ in range(20):
            row = machine.row(sub_samples=10)
        found = cells(row)
        assert (found["power_w"], found["temperature_c"]) == (250, 71)
        assert (found["sm_clock_mhz"], found["memory_clock_mhz"]) == (1410, 1215)
        assert (found["throttled_power"], found["throttled_heat"], found["throttled_other"]) == (1, 1, 0)
        assert (found["pcie_received_bytes_per_s"], found["pcie_sent_bytes_per_s"]) == (1_500_000, 300_000)
        assert math.isnan(found["energy_j"])
        assert machine.reasons() == []

    def test_energy(self, machine: Machine) -> None:
        """The counter's growth, of which nothing is lost between rows; the power is its mean."""
        machine.open(self.LINE.format(5000))
        total = 0.0
        powers = []
        for kilojoules in range(1, 12):
            row = machine.row(self.LINE.format(5000 + kilojoules * 1_000_000), sub_samples=5)
            joules = cells(row)["energy_j"]
            total += joules if joules == joules else 0.0
            powers.append(cells(row)["power_w"])
        assert total == 11_000 - 1000  # the first reading is what later ones are compared with
        assert max(powers[2:]) > 0

    @pytest.mark.parametrize(
        ("reasons", "throttled"),
        [
            (0x00, (0, 0, 0)),
            (0x01, (0, 0, 0)),
            (0x80, (1, 0, 0)),
            (0x48, (0, 1, 0)),
            (0x08, (0, 0, 1)),
            (0x12, (0, 0, 1)),
            (0x100, (0, 0, 0)),
        ],
    )
    def test_reasons_of_throttling(self, machine: Machine, reasons: int, throttled: tuple[int, ...]) -> None:
        """Power, heat, other; the hardware's general bit is its own reason only where it is alone; idle is none."""
        machine.open(f"0 0 reasons={reasons}")
        found = cells(machine.row(sub_samples=3))
        assert tuple(found[f"throttled_{name}"] for name in ("power", "heat", "other")) == throttled

    def test_highest_within_a_row(self, machine: Machine) -> None:
        """A row has the mean of its readings, and the highest."""
        machine.open("0 0")
        machine.row(sub_samples=2)
        for used in (20, 90):
            machine.stub.say(f"{used} {used * MIB} {OURS}:{used * MIB}:1")
            machine.clock.now_s += 0.5
            machine.collector.sub_sample(machine.clock.now_s)
        found = cells(machine.row(after_s=0.0, sub_samples=1))
        assert (found["usage"], found["usage_peak"]) == (pytest.approx(0.55), pytest.approx(0.9))
        assert (found["step_vram_mib"], found["step_vram_peak_mib"], found["vram_peak_mib"]) == (55, 90, 90)

    @pytest.mark.parametrize("code", [3, 4, 999])
    def test_what_a_gpu_does_not_tell(self, machine: Machine, code: int) -> None:
        """Not supported, not permitted or failing: nan, never 0, and the rest is there."""
        names = ("TotalEnergyConsumption", "PowerUsage", "Temperature", "ClockInfo", "CurrentClocksThrottleReasons")
        machine.open("50 0 sm=1", *(f"! error {name} {code}" for name in (*names, "PcieThroughput")))
        for _ in range(15):
            row = machine.row(sub_samples=10)
        found = cells(row)
        told = {name for name, value in found.items() if value == value}
        assert told == {"usage", "usage_peak", "memory_busy", "vram_mib", "vram_peak_mib"}
        assert found["usage"] == pytest.approx(0.5)
        assert bool(machine.reasons()) == (code != 3)

    def test_utilisation_not_supported(self, machine: Machine) -> None:
        """Without utilisation the sums are nan, and it is said once."""
        machine.open(f"50 {MIB} {OURS}:{MIB}:1", "! error UtilizationRates 3")
        machine.row()
        own, whole = sums(machine.row())
        assert math.isnan(own[0])
        assert own[1:] == [1, 1]  # its memory tells that it is used
        assert math.isnan(whole[0])
        assert machine.reasons() == ["GPU 0, utilisation: Not Supported"]


class TestFaults:
    """GPUs that vanish, drivers that are replaced, or hang."""

    def test_lost(self, machine: Machine) -> None:
        """A GPU that vanishes is told, its figures and the sums are nan, and it counts again when it is back."""
        machine.open(f"90 {600 * MIB} {OURS}:{MIB}:90", f"20 {MIB} {OURS}:{MIB}:20")
        machine.row()
        row = machine.row(f"90 {600 * MIB} {OURS}:{MIB}:90", "lost")
        assert all(math.isnan(value) for figures in sums(row) for value in figures)
        assert all(math.isnan(value) for value in cells(row, 1).values())
        assert cells(row)["usage"] == 0.9
        assert machine.reasons() == ["GPU 1: GPU is lost"]
        row = machine.row(f"90 {600 * MIB} {OURS}:{MIB}:90", "0 0", after_s=3.0, sub_samples=6)
        assert sums(row)[0] == [pytest.approx(0.9), 1, 1]

    def test_lost_one_is_asked_less_and_less_often(self, machine: Machine) -> None:
        """Each try to reach a GPU that is gone may take the driver long."""
        machine.open("0 0", "0 0")
        machine.row("0 0", "0 0")
        machine.row("lost", "0 0")
        for _ in range(120):
            machine.row(sub_samples=10)
        (news,) = [count for _, count, _ in machine.failures.news(final=True)]
        assert 5 <= news <= 9

    def test_gpu_that_cannot_be_had_at_start(self, machine: Machine) -> None:
        """One that is broken from the beginning is left out and named; the others are there."""
        machine.open("50 0", "lost", "25 0")
        row = machine.row()
        assert row.gpus is not None
        assert [figures["usage"] for figures in row.gpus.cells] == [0.5, 0.25]
        assert machine.reasons() == ["GPU 1: GPU is lost"]

    def test_driver_reload(self, machine: Machine) -> None:
        """A library that must be opened again is, with a pause; until then nan. GPUs keep their places."""
        machine.open("10 0 uuid=GPU-a", "20 0 uuid=GPU-b")
        machine.row()
        row = machine.row("! generation 7", "20 0 uuid=GPU-b", "10 0 uuid=GPU-a")
        assert math.isnan(row.system["gpu_usage"])
        assert machine.reasons() == ["Uninitialized"]
        row = machine.row(after_s=3.0, sub_samples=30)
        assert [cells(row, place)["usage"] for place in (0, 1)] == pytest.approx([0.1, 0.2])
        assert machine.stub.opened() == ["init", "shutdown", "init"]

    def test_driver_that_stays_away(self, machine: Machine) -> None:
        """It is tried again and again, ever less often."""
        machine.open("10 0")
        machine.row()
        machine.stub.say("10 0", "! generation 8", "! error Init 9")
        for _ in range(100):
            row = machine.row(sub_samples=10)
        assert math.isnan(row.system["gpu_usage"])
        assert 5 <= machine.stub.opened().count("init") <= 9

    def test_opened_once(self, machine: Machine) -> None:
        """However long the step, the library is opened once."""
        machine.open("10 0")
        for _ in range(50):
            machine.row(sub_samples=10)
        assert machine.stub.opened() == ["init"]

    def test_gpu_gone_after_a_reload(self, machine: Machine) -> None:
        """A GPU that the new driver no longer shows stays nan; the other goes on."""
        machine.open("10 0 uuid=GPU-a", "20 0 uuid=GPU-b")
        machine.row()
        machine.row("! generation 3", "20 0 uuid=GPU-b")
        row = machine.row(after_s=3.0, sub_samples=30)
        assert math.isnan(cells(row, 0)["usage"])
        assert cells(row, 1)["usage"] == pytest.approx(0.2)

    def test_driver_that_hangs(self, machine: Machine) -> None:
        """Rows do not wait for it: they have nan, it is said after a while, and its answer counts when it comes."""
        worker = Worker()
        machine.open("50 0", worker=worker)
        wait_until(lambda: cells_of(machine.row()) == 0.5, "the first reading")
        machine.stub.say("50 0", "! hang 0")
        wait_until(lambda: hanging(machine), "a row without a reading")
        assert worker.busy
        machine.row(after_s=12.0, sub_samples=2)
        assert machine.reasons() == ["the driver did not answer for 10 s"]
        machine.stub.say("70 0")
        wait_until(lambda: cells_of(machine.row(sub_samples=2)) == 0.7, "a reading after the hang")

    def test_slow_start(self, machine: Machine) -> None:
        """A driver that takes long to start holds up no row: GPUs appear when it is there."""
        machine.open("50 0", "! hang 0", worker=Worker())
        row = machine.row()
        assert row.gpus is None
        assert math.isnan(row.system["gpu_usage"])
        machine.stub.say("50 0")
        wait_until(lambda: cells_of(machine.row(sub_samples=2)) == 0.5, "the GPU")


def cells_of(row: Row) -> float:
    return math.nan if row.gpus is None else row.gpus.cells[0]["usage"]


def hanging(machine: Machine) -> bool:
    return math.isnan(cells_of(machine.row(after_s=5.0, sub_samples=1)))


class TestWhichGpus:
    """Instances, many GPUs, none."""

    MIG = f"0 0 uuid=GPU-a mig={300 * MIB}/{5000 * MIB}/{OURS}:{250 * MIB}/MIG-x mig={MIB}/{10000 * MIB}/0:0/MIG-y"

    def test_instances(self, machine: Machine) -> None:
        """Each instance of a divided GPU stands for itself; how busy it is the driver does not tell."""
        machine.open(self.MIG, "40 0 uuid=GPU-b temperature=50")
        row = machine.row(sub_samples=3)
        assert row.gpus is not None
        assert len(row.gpus.cells) == 3
        assert (cells(row)["vram_mib"], cells(row)["step_vram_mib"]) == (300, 250)
        assert math.isnan(cells(row)["usage"])
        assert math.isnan(cells(row)["power_w"])
        assert cells(row, 2)["usage"] == pytest.approx(0.4)
        assert row.gpus.meta["gpu1"] == "10000 unknown Stub GPU"

    def test_one_instance_is_visible(self, machine: Machine) -> None:
        """The step's figures are those of the instance that it was given: used, as it holds memory."""
        machine.open(self.MIG, "40 0 uuid=GPU-b", chosen=("MIG-x", None))
        own, _ = sums(machine.row())
        assert math.isnan(own[0])
        assert own[1:] == [250, 1]

    def test_many(self, machine: Machine) -> None:
        """At most 16 are watched, and their number fits the spool."""
        machine.open(*["10 0"] * 20)
        row = machine.row()
        assert row.gpus is not None
        assert len(row.gpus.cells) == MAX_GPUS
        assert len(row.gpus.values(0.0, 1.0)) == len(row.gpus.columns())

    def test_no_device_behind_the_library(self, machine: Machine) -> None:
        """An image for GPUs on a machine without: their use is 0, nothing failed, and it is not tried again."""
        machine.open("! error Init 9", expected=False)
        for _ in range(5):
            row = machine.row(sub_samples=10)
        assert sums(row) == ([0, 0, 0], [0, 0, 0])
        assert machine.reasons() == []
        assert machine.stub.opened() == ["init"]

    def test_broken_library(self, machine: Machine) -> None:
        """Where there is a GPU but no driver that answers, columns are nan, with the reason."""
        machine.open("! error Init 9")
        row = machine.row()
        assert math.isnan(row.system["gpu_usage"])
        assert machine.reasons() == ["Driver Not Loaded"]

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any GPU their use is 0; with one that cannot be read, it is nan, and said once."""
        monkeypatch.setattr(find, "LIBRARY_DIRS", ())
        monkeypatch.setattr(find, "DEVICES", ())
        monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
        nothing = gpu_collector("/nowhere", set, Failures())
        assert isinstance(nothing, NoGpuCollector)
        row = Row()
        nothing.read(row, 1.0)
        assert row.system["gpu_usage"] == 0
        monkeypatch.setattr(find, "DEVICES", ("/dev/null",))
        unreadable = gpu_collector("/nowhere", set, Failures())
        assert isinstance(unreadable, UnreadableGpuCollector)
        failures, row = Failures(), Row()
        Guard(unreadable, failures).read(row, 1.0)
        assert math.isnan(row.system["gpu_usage"])
        assert [source for source, _, _ in failures.news()] == ["NVML"]

    def test_damaged_pynvml(self, stub: NvmlStub, monkeypatch: pytest.MonkeyPatch) -> None:
        """A pynvml that cannot be loaded is a reason like another."""
        monkeypatch.setenv("LD_LIBRARY_PATH", str(stub.folder))
        monkeypatch.setattr(find, "DEVICES", ("/dev/null",))

        def broken(folder: str) -> None:
            raise ImportError("no pynvml here")

        monkeypatch.setattr(choose, "_pynvml", broken)
        failures, row = Failures(), Row()
        gpu_collector("/nowhere", set, failures).read(row, 0.0)
        assert math.isnan(row.process["gpu_usage"])
        assert [reason for _, _, reason in failures.news()] == ["ImportError: no pynvml here"]


class SlowGpu(Gpu):
    """Another vendor's: each look takes half a second, and it tells nothing but how busy it is."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("slow", "Slow GPU", 1024)
        self.clock = clock
        self.looks = 0

    def utilisation(self) -> tuple[float, float]:
        self.looks += 1
        self.clock.now_s += 0.5
        return 0.25, 0.0


class OtherBackend(Backend):
    source = "other"

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu

    def open(self) -> list[Gpu]:
        return [self.gpu]


def test_another_vendor_can_join() -> None:
    """A back end needs two methods at least; what its GPUs do not tell is nan. A slow one is asked rarely."""
    clock = Clock()
    gpu = SlowGpu(clock)
    collector = GpuCollector(
        OtherBackend(gpu), set, Failures(), Ownership(NO_PROC, contained=False), worker=AtOnce(), clock=clock
    )
    began_s, known = clock.now_s, 0
    for _ in range(300):
        for _ in range(10):
            clock.now_s += 0.1
            collector.sub_sample(clock.now_s)
        row = Row()
        collector.read(row, 1.0)
        assert math.isnan(row.system["gpu_vram"])
        known += cells(row)["usage"] == 0.25
    share = gpu.looks * 0.5 / (clock.now_s - began_s)
    assert share <= 2 * USE.wall_share + 0.01  # in turn, and for rows without any
    assert known == 300  # a reading counts until it is half as old again as its period


class TestSpool:
    """What is written of GPUs, and read again."""

    def rows(self, machine: Machine, folder: Path, count: int, gpus: int) -> Spool:
        machine.open(
            *[f"{10 * place} {MIB} {OURS}:{MIB}:1 name=A_{place}" for place in range(gpus)], chosen=("0", None)
        )
        spool = GpuSpool(str(folder), machine.failures)
        for number in range(count):
            row = machine.row()
            spool.row(int(number >= count - 2), row.gpus, 1000.0 + number, 1.0)
        return read_spool(str(folder), find.GPU_PREFIX)

    def test_round_trip(self, machine: Machine, tmp_path: Path) -> None:
        """A frame and the facts of each GPU come back, without what came after the end of the step."""
        spool = self.rows(machine, tmp_path, 5, 2)
        found = gpus_of(spool, None, marked=True)
        assert [fact.name for fact in found.facts] == ["A 0", "A 1"]
        assert [fact.may_use for fact in found.facts] == [None, None]  # models differ: a number says not which
        assert found.source == BY_PROCESS
        assert found.driver == "550.54.15"
        assert found.frames[1]["timestamp"] == [1000.0, 1001.0, 1002.0]
        assert found.frames[1]["usage"] == pytest.approx([0.1] * 3)
        assert len(gpus_of(spool, 1000.5, marked=False).frames[0]) == 1

    def test_bounded(self, machine: Machine, tmp_path: Path) -> None:
        """However long the step and however many the GPUs, the files stay small, and sums exact."""
        machine.open(*["50 0 energy=1000"] * MAX_GPUS)
        gpus = machine.row().gpus
        assert gpus is not None
        gpus.cells[3]["energy_j"] = 2.0
        spool = GpuSpool(str(tmp_path), machine.failures)
        largest = 0
        for number in range(3000):
            spool.row(0, gpus, float(number), 1.0)
            if number % 100 == 0:
                largest = max(largest, sum(path.stat().st_size for path in tmp_path.iterdir()))
        found = gpus_of(read_spool(str(tmp_path), find.GPU_PREFIX), None, marked=False)
        assert largest < 3_000_000
        assert sum(found.frames[3]["energy_j"]) == 6000.0
        assert sum(found.frames[3]["interval_s"]) == 3000.0

    def test_no_room(self, machine: Machine, tmp_path: Path) -> None:
        """Where its files cannot be made, that is said, and nothing else suffers."""
        machine.open("50 0")
        spool = GpuSpool(str(tmp_path / "missing"), machine.failures)
        for _ in range(2):
            spool.row(0, machine.row().gpus, 1.0, 1.0)
        assert machine.reasons() == ["No such file or directory"]


@pytest.mark.parametrize(
    ("text", "order", "visible"),
    [
        (None, None, None),
        ("", None, []),
        ("1", None, [1]),
        ("2,0", None, [0, 2, 3]),
        ("0, 1", None, [0, 1]),
        ("0,7,1", None, [0]),
        ("0,-1,1", None, [0]),
        ("-1", None, []),
        ("none", None, []),
        ("1gpu", None, [1]),
        ("1,1", None, []),
        ("0,,1", None, [0]),
        ("GPU-bbb", None, [1]),
        ("GPU-b,GPU-c", None, [1, 2, 3]),
        ("GPU-", None, []),
        ("GPU-b,0", None, [1]),
        ("GPU-b,GPU-bbb", None, []),
        ("GPU-zzz", None, []),
        ("MIG-x", None, [2]),
        ("MIG-y,MIG-x", None, [2, 3]),
        ("MIG-GPU-bbb-1/1/0", None, [1]),
        ("2", BY_BUS, [2, 3]),
        ("3", BY_BUS, []),
    ],
)
def test_visible_gpus(text: str | None, order: str | None, visible: list[int] | None) -> None:
    """CUDA_VISIBLE_DEVICES as CUDA and PyTorch read it: numbers, names and their beginnings, instances, nonsense."""
    gpus = [
        Gpu("GPU-aaa-1", "A100", 40960),
        Gpu("GPU-bbb-1", "A100", 40960),
        Gpu("MIG-x", "A100", 4864, "GPU-ccc-1"),
        Gpu("MIG-y", "A100", 9856, "GPU-ccc-1"),
    ]
    found = visible_gpus(text, order, gpus)
    assert found == (None if visible is None else frozenset(visible))


def test_numbers_among_different_models() -> None:
    """CUDA numbers the fastest GPU first, whichever that is; unless it is told to number by bus."""
    gpus = [Gpu("GPU-a", "T4", 16384), Gpu("GPU-b", "A100", 40960)]
    assert visible_gpus("0", None, gpus) is None
    assert visible_gpus("0", BY_BUS, gpus) == {0}
    assert visible_gpus("GPU-b", None, gpus) == {1}


@given(text=st.text(alphabet="019-,GPUMIGabc/ x", max_size=24))
def test_any_text_says_which_gpus_are_visible(text: str) -> None:
    """Whatever somebody wrote there, some of the GPUs are visible, or none."""
    gpus = [Gpu("GPU-a", "T4", 1), Gpu("GPU-b", "T4", 1), Gpu("MIG-a", "T4", 1, "GPU-c")]
    found = visible_gpus(text, None, gpus)
    assert found is not None
    assert found <= {0, 1, 2}


class TestRota:
    """What is read when."""

    def turns(self, places: int, wall_s: dict[str, float], seconds: float, cpu_s: float = 0.0) -> dict[str, int]:
        """How often each group is read in `seconds`, with ten turns a second; time passes while it is read."""
        rota, now_s, counts = Rota(places, 0.0), 0.0, dict.fromkeys((group.name for group in GROUPS), 0)
        while now_s < seconds:
            before_s = now_s
            for _place, group in rota.due(now_s):
                now_s += wall_s[group.name]
                counts[group.name] += 1
                rota.taken(group, now_s, wall_s[group.name], cpu_s)
            now_s = max(now_s, before_s + 0.1)
        return counts

    def test_one_fast_gpu(self) -> None:
        """Use five times a second, the rest once a second, PCIe every ten."""
        counts = self.turns(
            1, {"use": 1e-4, "power": 1e-4, "state": 1e-4, "pcie received": 0.02, "pcie sent": 0.02}, 60
        )
        assert 250 <= counts["use"] <= 310
        assert 54 <= counts["power"] <= 62
        assert counts["pcie sent"] in (5, 6)

    def test_eight_slow_ones(self) -> None:
        """Dear readings come less often, so that all stay within their share of the time."""
        wall_s = {"use": 0.003, "power": 0.005, "state": 0.004, "pcie received": 0.02, "pcie sent": 0.02}
        counts = self.turns(8, wall_s, 120)
        for group in GROUPS:
            assert counts[group.name] * wall_s[group.name] <= 1.3 * 120 * group.wall_share, group.name
        assert counts["use"] >= 8 * 120  # still each GPU once a second

    def test_nothing_starves(self) -> None:
        """However dear each reading is, all of them have their turn."""
        counts = self.turns(2, {group.name: 0.03 for group in GROUPS}, 120)
        assert min(counts.values()) >= 12

    def test_cpu_time_counts(self) -> None:
        """A driver that computes is asked as rarely as one that is slow."""
        counts = self.turns(4, {group.name: 0.001 for group in GROUPS}, 120, cpu_s=0.001)
        assert counts["use"] * 0.001 <= 1.3 * 120 * USE.cpu_share

    def test_a_turn_is_short(self) -> None:
        """Dear readings are spread over many turns."""
        rota = Rota(16, 0.0)
        assert sum(group.name.startswith("pcie") for _, group in rota.due(100.0)) <= 1


def test_sampler_reads_gpus(stub: NvmlStub, tmp_path: Path) -> None:
    """The sampler finds library and pynvml by itself, and the task's own process among those of the GPU."""
    spools = tmp_path / "spools"
    spools.mkdir()
    found = run_task(
        f"""
        open({str(stub.folder / "state")!r}, "w").write(f"50 {{300 << 20}} {{os.getpid()}}:{{200 << 20}}:50")
        tracker, deadline = start(interval_s=0.1), time.monotonic() + 20
        while not tracker.measurements().gpu_facts and time.monotonic() < deadline:
            time.sleep(0.01)
        finish(tracker)
        """,
        spools,
        env=environment(LD_LIBRARY_PATH=f"{stub.folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"),
    )
    assert [found["process"][-1][name] for name in SUMS] == [0.5, 200, 1]
    assert [found["system"][-1][name] for name in SUMS] == [0.5, 300, 1]
    assert found["failed"] == []
    assert found["gpus"] == [{"name": "Stub GPU", "memory_mib": 16384, "may_use": None}]
    assert found["gpu_source"] == BY_PROCESS
    assert found["gpu0"][-1]["step_vram_peak_mib"] == 200
