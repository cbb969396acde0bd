"""Every column of the frames: its name, unit, kind and source.

The first columns of each frame are those of the published example, in its order and units;
ours follow, and carry their unit in their name.
"""

COUNTER = "counter"
"""Amount used within the row's interval: adds up when rows merge."""
GAUGE = "gauge"
"""Mean over the row's sub-samples, or the value at its end: averages (by duration) when rows merge."""
PEAK = "peak"
"""Highest value seen within the row: keeps the maximum when rows merge."""
LAST = "last"
"""Identity or stamp at the end of the row: keeps the last value when rows merge."""


class Column:
    """One column: name, unit, kind (counter, gauge, peak or last), source and meaning.

    A plain class: the sampler imports this module, and dataclasses would cost it 0.7 MB.
    """

    __slots__ = ("kind", "meaning", "name", "source", "unit")

    def __init__(self, name: str, unit: str, kind: str, source: str, meaning: str) -> None:
        self.name = name
        self.unit = unit
        self.kind = kind
        self.source = source
        self.meaning = meaning


PROCESS_COLUMNS = (
    Column("timestamp", "s", LAST, "clock_gettime(CLOCK_REALTIME)", "Unix time at the end of the row"),
    Column("pid", "", LAST, "", "process id of the step"),
    Column("children", "", PEAK, "/proc/PID/stat", "descendants alive, the sampler excluded (most within the row)"),
    Column("utime", "ticks", COUNTER, "task clock, /proc/PID/stat 14, 16", "user CPU time of step and descendants"),
    Column("stime", "ticks", COUNTER, "task clock, /proc/PID/stat 15, 17", "system CPU time of step and descendants"),
    Column("cpu_usage", "cores", GAUGE, "task clock, /proc/PID/stat", "mean cores in use"),
    Column("memory", "KiB", GAUGE, "/proc/PID/smaps_rollup, /proc/PID/status", "mean memory of step and descendants"),
    Column("read_bytes", "B", COUNTER, "/proc/PID/io", "bytes read from storage"),
    Column("write_bytes", "B", COUNTER, "/proc/PID/io", "bytes written to storage"),
    Column("gpu_usage", "GPUs", GAUGE, "NVML", "GPUs in use: utilisation summed over GPUs, 1.0 is one whole GPU"),
    Column("gpu_vram", "MiB", GAUGE, "NVML", "GPU memory held by the step"),
    Column("gpu_utilized", "", PEAK, "NVML", "number of GPUs with any use by the step"),
    # ours
    Column("interval_s", "s", COUNTER, "clock_gettime(CLOCK_MONOTONIC)", "length of the row"),
    Column("samples", "", COUNTER, "", "sub-samples taken within the row"),
    Column("memory_peak_kib", "KiB", PEAK, "/proc/PID/status", "highest memory within the row"),
    Column("cpu_peak_cores", "cores", PEAK, "/proc/PID/stat", "busiest sub-sample within the row"),
    Column("threads", "", PEAK, "/proc/PID/stat 20", "threads of step and descendants"),
    Column("major_faults", "", COUNTER, "/proc/PID/stat 12", "page faults that had to wait for storage"),
    Column("throttled_s", "s", COUNTER, "cgroup cpu.stat", "held back by the CPU quota, summed over CPUs"),
    Column("throttled_periods", "", COUNTER, "cgroup cpu.stat", "periods of the CPU quota in which it was used up"),
    Column("quota_periods", "", COUNTER, "cgroup cpu.stat", "periods of the CPU quota in which anything ran"),
    Column("cpu_pressure_s", "s", COUNTER, "cgroup cpu.pressure", "time in which some of the cgroup waited for a CPU"),
    Column("memory_pressure_s", "s", COUNTER, "cgroup memory.pressure", "time in which some of it waited for memory"),
    Column("io_pressure_s", "s", COUNTER, "cgroup io.pressure", "time in which some of it waited for storage"),
    Column("oom_kills", "", COUNTER, "cgroup memory.events", "processes of the cgroup killed for memory"),
    Column("run_wait_s", "s", COUNTER, "/proc/PID/task/TID/schedstat 2", "threads ready to run waited for a CPU"),
    Column(
        "memory_exact",
        "share",
        GAUGE,
        "/proc/PID/smaps_rollup, cgroup memory.stat",
        "share of `memory` that was read in full; the rest is an estimate",
    ),
)

SYSTEM_COLUMNS = (
    Column("timestamp", "s", LAST, "clock_gettime(CLOCK_REALTIME)", "Unix time at the end of the row"),
    Column("processes", "", LAST, "/proc/stat processes", "forks since boot"),
    Column("utime", "ticks", COUNTER, "/proc/stat cpu", "user and nice CPU time of the machine"),
    Column("stime", "ticks", COUNTER, "/proc/stat cpu", "system CPU time of the machine"),
    Column("cpu_usage", "cores", GAUGE, "/proc/stat cpu", "mean cores in use on the machine"),
    Column("memory_free", "KiB", GAUGE, "/proc/meminfo MemFree", "memory used for nothing"),
    Column("memory_used", "KiB", GAUGE, "/proc/meminfo", "total less free, buffers and cache"),
    Column("memory_buffers", "KiB", GAUGE, "/proc/meminfo Buffers", "block device buffers"),
    Column("memory_cached", "KiB", GAUGE, "/proc/meminfo Cached, SReclaimable", "file cache"),
    Column("memory_active", "KiB", GAUGE, "/proc/meminfo Active(anon)", "recently used anonymous memory"),
    Column("memory_inactive", "KiB", GAUGE, "/proc/meminfo Inactive(anon)", "anonymous memory not used lately"),
    Column("disk_read_bytes", "B", COUNTER, "/proc/diskstats", "bytes read from whole disks"),
    Column("disk_write_bytes", "B", COUNTER, "/proc/diskstats", "bytes written to whole disks"),
    Column("disk_space_total_gb", "GB", LAST, "statvfs", "size of the file system that holds the step's directory"),
    Column("disk_space_used_gb", "GB", GAUGE, "statvfs", "space used on it"),
    Column("disk_space_free_gb", "GB", GAUGE, "statvfs", "space free on it"),
    Column("net_recv_bytes", "B", COUNTER, "/proc/net/dev", "bytes received, loopback excluded"),
    Column("net_sent_bytes", "B", COUNTER, "/proc/net/dev", "bytes sent, loopback excluded"),
    Column("gpu_usage", "GPUs", GAUGE, "NVML", "GPUs in use on the machine, by anyone"),
    Column("gpu_vram", "MiB", GAUGE, "NVML", "GPU memory in use on the machine"),
    Column("gpu_utilized", "", PEAK, "NVML", "number of GPUs with any use"),
    # ours
    Column("interval_s", "s", COUNTER, "clock_gettime(CLOCK_MONOTONIC)", "length of the row"),
    Column(
        "memory_available_kib", "KiB", GAUGE, "/proc/meminfo MemAvailable", "memory that could be had without swapping"
    ),
    Column("memory_shared_kib", "KiB", GAUGE, "/proc/meminfo Shmem", "tmpfs and shared memory"),
    Column("swap_used_kib", "KiB", GAUGE, "/proc/meminfo", "swap in use"),
    Column("sampler_cpu_s", "s", COUNTER, "getrusage", "CPU time of the sampler itself"),
    Column("shm_used_kib", "KiB", PEAK, "statvfs", "most in use of `/dev/shm` within the row, by anyone"),
    Column("disk_space_used_peak_gb", "GB", PEAK, "statvfs", "most space used on the file system within the row"),
    Column("cpu_pressure_s", "s", COUNTER, "/proc/pressure/cpu", "time in which anything waited for a CPU"),
    Column("memory_pressure_s", "s", COUNTER, "/proc/pressure/memory", "time in which anything waited for memory"),
    Column("io_pressure_s", "s", COUNTER, "/proc/pressure/io", "time in which anything waited for storage"),
    Column("run_queue", "", GAUGE, "/proc/loadavg 4", "threads that ran or were ready to, the sampler excluded"),
    Column("disk_inodes_used", "", GAUGE, "statvfs", "inodes in use on the file system: files and folders"),
    Column("disk_inodes_free", "", GAUGE, "statvfs", "inodes free on it"),
    Column(
        "suspended_s", "s", COUNTER, "clock_gettime(CLOCK_BOOTTIME)", "the machine slept so long; not in `interval_s`"
    ),
    Column("unwatched_s", "s", COUNTER, "", "readings came later than planned by so much, where that was over 1 s"),
)

GPU_COLUMNS = (
    Column("timestamp", "s", LAST, "clock_gettime(CLOCK_REALTIME)", "Unix time at the end of the row"),
    Column("interval_s", "s", COUNTER, "clock_gettime(CLOCK_MONOTONIC)", "length of the row"),
    Column("usage", "share", GAUGE, "NVML", "share of the time in which anything ran on this GPU, by anyone"),
    Column("usage_peak", "share", PEAK, "NVML", "highest reading of it within the row"),
    Column("step_usage", "share", GAUGE, "NVML", "the step's part of it"),
    Column("memory_busy", "share", GAUGE, "NVML", "share of the time in which GPU memory was read or written"),
    Column("vram_mib", "MiB", GAUGE, "NVML", "memory of this GPU in use, by anyone"),
    Column("vram_peak_mib", "MiB", PEAK, "NVML", "highest reading of it within the row"),
    Column("step_vram_mib", "MiB", GAUGE, "NVML", "memory held by the step's processes"),
    Column("step_vram_peak_mib", "MiB", PEAK, "NVML", "highest reading of it within the row"),
    Column("other_vram_mib", "MiB", GAUGE, "NVML", "memory held by others, and by the driver itself"),
    Column("power_w", "W", GAUGE, "NVML", "mean electric power of the GPU, whoever uses it"),
    Column("energy_j", "J", COUNTER, "NVML", "energy that it used, whoever uses it"),
    Column("temperature_c", "°C", PEAK, "NVML", "highest reading of its temperature"),
    Column("sm_clock_mhz", "MHz", GAUGE, "NVML", "clock of its processors"),
    Column("memory_clock_mhz", "MHz", GAUGE, "NVML", "clock of its memory"),
    Column("throttled_power", "share", GAUGE, "NVML", "share of the readings in which its power limit slowed it down"),
    Column("throttled_heat", "share", GAUGE, "NVML", "share of the readings in which heat slowed it down"),
    Column("throttled_other", "share", GAUGE, "NVML", "share of the readings in which a fixed clock or sync slowed it"),
    Column("pcie_received_bytes_per_s", "B/s", GAUGE, "NVML", "over PCIe to the GPU, over 20 ms now and then"),
    Column("pcie_sent_bytes_per_s", "B/s", GAUGE, "NVML", "over PCIe from the GPU, over 20 ms now and then"),
)
"""Of the frame of each GPU. `usage` counts as in ``gpu_usage`` of the other frames: 1.0 is the whole GPU."""

PROCESS_NAMES = tuple(column.name for column in PROCESS_COLUMNS)
SYSTEM_NAMES = tuple(column.name for column in SYSTEM_COLUMNS)
GPU_NAMES = tuple(column.name for column in GPU_COLUMNS)
