"""A private directory for small files that outlive a process, safe in a directory that everybody may write to.

A directory that is a symbolic link, belongs to somebody else or can be written by others is refused; files are
reached through its descriptor, so that nobody can swap it in between.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NAME = "metaflow-resource-tracker"
_IN_MEMORY = "/dev/shm"  # noqa: S108 - see above


def default_places() -> Iterator[str]:
    """Yield where such a directory may stand: the user's cache, else among temporary files, else in memory."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if os.path.isabs(cache):
        yield os.path.join(cache, _NAME)
    with suppress(OSError):
        yield os.path.join(tempfile.gettempdir(), f"{_NAME}-{os.geteuid()}")
    yield os.path.join(_IN_MEMORY, f"{_NAME}-{os.geteuid()}")  # a hardened container has nothing else


@contextmanager
def open_private(path: str, *, create: bool = True) -> Iterator[int]:
    """Give a descriptor of the directory, by default made (mode 0700) where missing.

    Raises
    ------
    OSError
        It cannot be made or opened, or is not ours alone.
    """
    if create:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(directory)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
            raise PermissionError(f"{path} is open to others")
        yield directory
    finally:
        os.close(directory)


def read_small(directory: int, name: str, limit: int) -> str:
    """Return a regular file of ours, of at most ``limit`` bytes.

    Raises
    ------
    OSError
        There is none, or it is something else.
    ValueError
        It is not UTF-8.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not hold us up
    with open(os.open(name, flags, dir_fd=directory), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_size > limit:
            raise PermissionError(f"{name} is no small file of ours")
        return file.read(limit).decode("utf-8")


def write_atomic(directory: int, name: str, text: str) -> None:
    """Write a file (mode 0600) in one step: a reader finds the old one or the new one, whole.

    Raises
    ------
    OSError
        It could not be written; nothing is left behind.
    """
    part = f".{name}.{os.getpid()}"
    with suppress(FileNotFoundError):
        os.unlink(part, dir_fd=directory)  # left by a killed process that had our number
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o600, dir_fd=directory)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(part, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:  # also where we are interrupted
        with suppress(OSError):
            os.unlink(part, dir_fd=directory)
        raise


def remove_older(directory: int, prefix: str, before: float) -> None:
    """Remove our files of that prefix that were last written before a Unix time."""
    for name in os.listdir(directory):
        if name.startswith((prefix, "." + prefix)):
            with suppress(OSError):
                if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < before:
                    os.unlink(name, dir_fd=directory)
