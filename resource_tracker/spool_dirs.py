"""Where spools lie: private folders that say in their name whose they are, so that those of the dead can be swept."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence

from resource_tracker.errors import ParseError, TrackerError
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.control import CONTROL, is_heard
from resource_tracker.sampler.procfs import pid_stat
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.publisher import ORDER

PREFIX = "resource_tracker"
TRIAL_BYTES = 1 << 16
"""Written and removed again before a folder is taken: a full disk shows only then."""
ABANDONED_AFTER_S = 2 * 86400
"""A folder of another boot or pid namespace may be alive where we cannot look (a shared file system, a container)."""
TELLER = "teller"
"""File in the folder of a dead attempt of which nobody has told: somebody is about to."""
TOLD_WITHIN_S = 300.0
"""From then on whoever was about to tell has failed: there is one chance."""
HELD_WITHIN_S = 5.0
"""Sooner, it holds the folder."""
UNTOLD_FOR_S = 86400
"""How long such a folder waits, from the last that was written there, for a start that can tell of it."""
_HOLD_TRIES, _HOLD_AGAIN_S = 50, 0.02


def default_parents() -> list[str]:
    """``$TMPDIR`` (or ``/tmp``), ``/var/tmp``, ``/dev/shm``: the folders there are private, with names of chance."""
    return list(dict.fromkeys([os.environ.get("TMPDIR") or "/tmp", "/var/tmp", "/dev/shm"]))  # noqa: S108


def make_spool_dir(parents: Sequence[str], pid: int, start_time: int) -> str:
    """A new private folder for the spool of process `pid`, in the first of `parents` that can be written to.

    Raises
    ------
    TrackerError
        None can; the message says why for each.
    """
    reasons = []
    for parent in parents:
        path = os.path.abspath(f"{parent}/{_name(pid, start_time)}")
        try:
            os.mkdir(path, 0o700)
            try:
                _try_out(path)
                os.mkfifo(f"{path}/{CONTROL}", 0o600)
            except OSError:
                remove_spool(path)
                raise
            return path
        except OSError as error:
            reasons.append(f"{parent}: {error.strerror}")
    raise TrackerError(f"no place for the measurements ({'; '.join(reasons) or 'no folder given'})")


def sweep_dead_spools(parents: Sequence[str] | None = None) -> list[str]:
    """Removes the folders that dead tasks and samplers left, and returns their paths. Never raises.

    Not those of attempts of which nobody has told yet, see :func:`claim_untold`.
    """
    swept = []
    for path in _dead_in(parents):
        if not _is_untold(path):
            remove_spool(path)
            swept.append(path)
    return swept


def claim_untold(parents: Sequence[str] | None = None, wanted: Callable[[str], bool] | None = None) -> str | None:
    """The folder of a dead attempt of which nobody has told, as all who should have were killed with it.

    It is the caller's now to have it told; ``None`` where there is none. Never raises.

    Parameters
    ----------
    wanted : callable, optional
        Whether to claim the folder of this path.
    """
    for path in _dead_in(parents):
        if _is_untold(path) and (wanted is None or wanted(path)):
            try:
                os.close(os.open(f"{path}/{TELLER}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except OSError:  # another start was faster, or the disk is full
                continue
            return path
    return None


def being_told(parents: Sequence[str] | None = None) -> list[str]:
    """The folders of dead attempts of which somebody tells at this moment: they go when that is done. Never raises."""
    return [path for path, name in _named_in(parents) if _is_being_told(path, name)]


def _is_being_told(path: str, name: str) -> bool:
    fields = name.split(".")
    try:
        if len(fields) != 6 or (fields[3], fields[4]) != _here() or not is_private(path):
            return False
        if is_running(int(fields[1]), int(fields[2])):
            return False
        return is_heard(path) or _is_held(path) or _is_just_claimed(path)
    except (OSError, ValueError):
        return False


def _is_just_claimed(path: str) -> bool:
    """Whether who is to tell may still be starting. Raises OSError."""
    return os.path.exists(f"{path}/{TELLER}") and time.time() - os.stat(f"{path}/{TELLER}").st_mtime < HELD_WITHIN_S


def _dead_in(parents: Sequence[str] | None) -> Iterator[str]:
    return (path for path, name in _named_in(parents) if _is_dead(path, name))


def _named_in(parents: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    for parent in parents if parents is not None else default_parents():
        try:
            names = [name for name in os.listdir(parent) if name.startswith(f"{PREFIX}.")]
        except OSError:
            continue
        for name in names:
            yield os.path.abspath(f"{parent}/{name}"), name


def _is_untold(path: str) -> bool:
    """Whether somebody is still to tell of it: it has an order, is not too old, and is claimed by no loser."""
    try:
        if not is_private(path) or not os.path.exists(f"{path}/{ORDER}"):
            return False
        if time.time() - _last_written(path) > UNTOLD_FOR_S:  # the order is as old as the attempt
            return False
        return time.time() - os.stat(f"{path}/{TELLER}").st_mtime < TOLD_WITHIN_S
    except FileNotFoundError as error:
        return str(error.filename).endswith(TELLER)
    except OSError:
        return False


def start_time_of(pid: int) -> int:
    """Ticks since boot at which a process began; with the pid it names the process. Raises OSError, ParseError."""
    return pid_stat.parse(read_record(f"/proc/{pid}/stat")).start_time


def is_running(pid: int, start_time: int) -> bool:
    """Whether that very process is there and has not ended (a zombie has)."""
    try:
        found = pid_stat.parse(read_record(f"/proc/{pid}/stat"))
    except (OSError, ParseError):
        return False
    return found.start_time == start_time and not found.ended


def owner_of(path: str) -> tuple[int, int]:
    """Pid and start time of the process whose spool it is. Raises ValueError where the folder is no spool."""
    _, pid, start_time, *_ = os.path.basename(path).split(".")
    return int(pid), int(start_time)


def hold(path: str) -> int:
    """A descriptor with which nobody sweeps a spool, until it is closed or its process ends. Raises OSError.

    For who tells of a dead task when the sampler is dead, too.
    """
    fd = os.open(f"{path}/{ORDER}", os.O_RDONLY | os.O_CLOEXEC)
    for _ in range(_HOLD_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            break
        except BlockingIOError:  # somebody looks at this very moment whether it is held
            time.sleep(_HOLD_AGAIN_S)
        except OSError:  # a file system without locks
            break
    return fd


def is_private(path: str) -> bool:
    """Whether a folder is this user's own, as spools are: in ``/tmp`` anybody can make one of that name."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _is_held(path: str) -> bool:
    try:
        fd = os.open(f"{path}/{ORDER}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(fd)
    return False


def _name(pid: int, start_time: int) -> str:
    return ".".join([PREFIX, str(pid), str(start_time), *_here(), os.urandom(6).hex()])


def _here() -> tuple[str, str]:
    """Boot and pid namespace, ``0`` where unknown: a pid means something only within them."""
    try:
        boot = read_record("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip().replace("-", "")[:12]
        namespace = str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0", "0"
    return boot, namespace


def _try_out(path: str) -> None:
    trial = f"{path}/trial"
    fd = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, bytes(TRIAL_BYTES)) < TRIAL_BYTES:
            raise OSError(28, "No space left on device")
    finally:
        os.close(fd)
        os.unlink(trial)


def _is_dead(path: str, name: str) -> bool:
    fields = name.split(".")
    try:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or len(fields) != 6:
            return False
        pid, start_time = int(fields[1]), int(fields[2])
        if (fields[3], fields[4]) == _here() and fields[3] != "0":
            # The task may have just died: then its sampler, or who tells of it, is about to clean up.
            return not (is_running(pid, start_time) or is_heard(path) or _is_held(path))
        if is_of_an_earlier_boot(path):  # somebody may be telling of it by now
            return not (is_heard(path) or _is_held(path))
        return time.time() - _last_written(path) > ABANDONED_AFTER_S
    except (OSError, ValueError):
        return False


def is_of_another_boot(path: str) -> bool:
    """Whether a spool was made before this machine booted, or on another one; False where that is not known."""
    return "0" not in (boots := {os.path.basename(path).split(".")[3], _here()[0]}) and len(boots) > 1


def is_of_an_earlier_boot(path: str) -> bool:
    """Whether a spool is this machine's, from before it booted: then nobody of those who wrote there lives.

    That is known on a disk of its own, to which another machine cannot write, where nothing was written since. Of
    another pid namespace of this boot nobody can tell: its processes do not show from here. Raises OSError.
    """
    if not is_of_another_boot(path):
        return False
    from resource_tracker.sampler.file_systems import DISK, OVERLAY, Mounts, kind_of  # hardly ever needed

    mount, distant = Mounts("/proc").of(path)
    if mount is None or distant or kind_of(mount.kind.decode("ascii", "replace")) not in (DISK, OVERLAY):
        return False
    return _last_written(path) < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _last_written(path: str) -> float:
    return max([os.stat(path).st_mtime, *(os.stat(f"{path}/{name}").st_mtime for name in os.listdir(path))])
