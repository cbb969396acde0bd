"""The machine: what it is, what of it the step may use, and whether others use it too.

Reading only: nothing here starts a process, changes a setting or raises on a kernel file that is missing, hidden
or malformed. What cannot be read is ``None``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from resource_tracker.bundled import bundled_pynvml
from resource_tracker.dataclass import replace
from resource_tracker.host_limits import (
    limits,
    meminfo_bytes,
    memory_total_bytes,
    online_cpus,
    read_text,
    whole_number,
)
from resource_tracker.records import Limits, ServerInfo
from resource_tracker.schedulers import KUBERNETES, scheduler_of
from resource_tracker.units import bytes_to_mib, mib_to_gib

__all__ = ["gpus", "limits", "server_info"]

BUSY_SHARE = 0.25
"""Others count as neighbours from this share of the machine's CPUs (at least one CPU) or memory upwards."""

_CONTAINER_MARKERS = ("/.dockerenv", "/run/.containerenv")
_DRIVER_MARKERS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
_CPUINFO_AT_MOST = 4096  # /proc/cpuinfo is made as it is read: the first CPU is enough, 192 of them cost 10 ms and more


class Gpus(NamedTuple):
    """GPUs of the machine: their names, their memory in MiB, summed, and the version of their driver."""

    names: tuple[str, ...] = ()
    memory_mib: float = 0.0
    driver: str | None = None


def server_info(
    root: str = "/", nvml: Any = None, environ: Mapping[str, str] | None = None, *, ask_gpus: bool = True
) -> ServerInfo:
    """Return what the machine is and whether it looks dedicated to this process.

    Parameters
    ----------
    root : str
        Prefix of ``/proc``, ``/sys``, ``/etc`` and ``/dev``.
    nvml : module or None
        Something with the interface of ``pynvml``. By default ``pynvml`` itself, imported only where an NVIDIA
        driver is present.
    environ : mapping or None
        The environment, which tells what scheduled the process. By default the own one.
    ask_gpus : bool
        Where the sampler asks the driver anyway, nobody needs to do it in the task: a driver that nobody uses may take
        seconds to start. :func:`with_gpus` does it later.

    Returns
    -------
    ServerInfo
        The whole machine, and how many of its CPUs and how much of its memory this process may use (:func:`limits`
        says by which limit). ``gpu_count`` is 0
        both where there is no GPU and where NVML failed; ``gpu_count=0`` with an NVIDIA driver in place means that
        it could not be asked.

    Notes
    -----
    To be called before the work that is measured begins: what is in use at that moment is held against others.
    """
    own_limits = limits(root)
    environ = os.environ if environ is None else environ
    found = gpus(root, nvml) if ask_gpus else Gpus()
    allocation, reason = _allocation(root, own_limits, environ)
    memory = memory_total_bytes(root) or _psutil_memory_bytes(root)
    memory_mib = round(bytes_to_mib(memory), 2) if memory else None
    vcpus = online_cpus(root) or os.cpu_count()
    return ServerInfo(
        os=_os_name(root),
        vcpus=vcpus,
        cpu_model=_cpu_model(root),
        architecture=os.uname().machine or None,
        memory_mb=memory_mib,
        gpu_count=len(found.names),
        gpu_names=found.names,
        gpu_memory_mb=round(found.memory_mib, 2),
        gpu_driver=found.driver,
        allocation=allocation,
        allocation_reason=reason,
        usable_vcpus=own_limits.cpus or vcpus,
        usable_memory_mb=own_limits.memory_mib or memory_mib,
        scheduler=scheduler_of(environ),
    )


def with_gpus(server: ServerInfo) -> ServerInfo:
    """The machine with its GPUs, which were not asked for when it was read."""
    found = gpus()
    return replace(
        server,
        gpu_count=len(found.names),
        gpu_names=found.names,
        gpu_memory_mb=round(found.memory_mib, 2),
        gpu_driver=found.driver,
    )


def gpus(root: str = "/", nvml: Any = None) -> Gpus:
    """Return the machine's NVIDIA GPUs; none on any error. A GPU that fails by itself is left out.

    NVML is opened once and shut down again, so nothing of it stays in the process.
    """
    nvml = nvml or _import_nvml(root)
    if nvml is None:
        return Gpus()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return Gpus()
    try:
        return _read_gpus(nvml)
    except nvml.NVMLError:
        return Gpus()
    finally:
        with suppress(nvml.NVMLError):  # the driver went away: there is nothing left to close
            nvml.nvmlShutdown()


def _read_gpus(nvml: Any) -> Gpus:
    names, memory_mib = [], 0.0
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = nvml.nvmlDeviceGetName(handle)
            total = nvml.nvmlDeviceGetMemoryInfo(handle).total
        except nvml.NVMLError:
            continue  # fallen off the bus, or not ours to ask
        names.append(_text(name))
        memory_mib += bytes_to_mib(total)
    return Gpus(tuple(names), memory_mib, _driver(nvml))


def _driver(nvml: Any) -> str | None:
    try:
        return _text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _import_nvml(root: str) -> Any:
    """Return ``pynvml`` where an NVIDIA driver is present, installed or from the code package, else ``None``."""
    if not any(_exists(root, path) for path in _DRIVER_MARKERS):
        return None
    try:
        import pynvml
    except ImportError:
        return bundled_pynvml()
    return pynvml


def _exists(root: str, path: str) -> bool:
    return os.path.exists(root.rstrip("/") + path)


def _os_name(root: str) -> str | None:
    """Return the operating system's name and version. Source: os-release(5)."""
    text = read_text(root, "/etc/os-release") or read_text(root, "/usr/lib/os-release") or ""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals:
            found[name] = value.strip("\"'")
    name = found.get("PRETTY_NAME") or f"{found.get('NAME', '')} {found.get('VERSION_ID', '')}".strip()
    if name:
        return name
    kernel = os.uname()
    return f"{kernel.sysname} {kernel.release}".strip() or None


def _cpu_model(root: str) -> str | None:
    """Return the name of the first CPU: ``model name`` on x86, ``Model`` on some ARM boards, often nothing on ARM."""
    found: dict[str, str] = {}
    for line in (read_text(root, "/proc/cpuinfo", _CPUINFO_AT_MOST) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found.get("model name") or found.get("Model") or found.get("cpu model") or None


def _psutil_memory_bytes(root: str) -> float | None:
    """Return the machine's memory where there is no procfs (macOS)."""
    if root != "/" or os.path.isdir("/proc/self"):
        return None
    try:
        import psutil

        return float(psutil.virtual_memory().total)
    except (ImportError, OSError):  # on Linux psutil reads /proc as well
        return None


def _allocation(
    root: str, own_limits: Limits, environ: Mapping[str, str]
) -> tuple[Literal["dedicated", "shared", "unknown"], str]:
    """Return whether this process seems to have the machine for itself, and why; the first sign found decides."""
    if KUBERNETES in environ:
        return "shared", "runs in a Kubernetes pod"
    if own_limits.source:
        return "shared", f"may use only part of the machine ({own_limits.source})"
    neighbours = _load_of_others(root)
    if neighbours:
        return "shared", neighbours
    for marker in _CONTAINER_MARKERS:
        if _exists(root, marker):
            return "unknown", f"in a container ({marker}) without limits, from which neighbours cannot be seen"
    if read_text(root, "/proc/loadavg") is None:
        return "unknown", "the kernel does not tell what else runs"
    return "dedicated", "no limit below the machine, and little else in use when the step began"


def _load_of_others(root: str) -> str | None:
    """Say what others use of the machine at this moment, ``None`` if it is little or not known."""
    cpus = online_cpus(root)
    words = (read_text(root, "/proc/loadavg") or "").split()
    if cpus and words and (load := _number(words[0])) is not None and load >= max(1.0, BUSY_SHARE * cpus):
        return f"load average of {load:g} in the minute before the step, on {cpus} CPUs"
    memory = meminfo_bytes(root)
    total, available = memory.get("MemTotal"), memory.get("MemAvailable")
    if total and available is not None:
        others = total - available - _own_memory_bytes(root)
        if others >= BUSY_SHARE * total:
            gib = mib_to_gib(bytes_to_mib(others))
            return f"others hold {gib:.1f} GiB, {others / total:.0%} of the machine's memory"
    return None


def _own_memory_bytes(root: str) -> float:
    """Return the resident memory of this process. Source: proc(5), ``statm``, in pages."""
    words = (read_text(root, "/proc/self/statm") or "").split()
    pages = whole_number(words[1]) if len(words) > 1 else None
    return float((pages or 0) * os.sysconf("SC_PAGE_SIZE"))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
