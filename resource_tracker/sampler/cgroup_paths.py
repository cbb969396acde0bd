"""Where a process's cgroups show in the file system: of version 1, version 2 and both together.

Source: proc(5), cgroups(7) and cgroup_namespaces(7); kernel, Documentation/admin-guide/cgroup-v2.rst.
"""

V2 = ""
"""Key of the unified hierarchy among the controllers, as in ``/proc/PID/cgroup`` (``0::/path``)."""
V1_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory")
READ_AT_MOST = 1 << 20
"""A node with many volumes has a mount table of some 100 kB."""

Mount = tuple[str, str, tuple[str, ...]]
"""A cgroup mount: the cgroup that shows at its top, where it stands, its controllers (version 2: ``(V2,)``)."""


def cgroup_directories(proc: str, pid: int | str) -> dict[str, list[str]]:
    """For each controller (``V2`` for the unified hierarchy), the process's cgroup and its ancestors, innermost first.

    Absolute paths, as the process sees them. Empty where the kernel does not tell, or has no cgroups.
    """
    mounts = _cgroup_mounts(_text(f"{proc}/{pid}/mountinfo"))
    found: dict[str, list[str]] = {}
    for line in (_text(f"{proc}/{pid}/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if not colon or not path.startswith("/"):
            continue
        wanted = {V2} if number == "0" and not names else set(names.split(",")).intersection(V1_CONTROLLERS)
        for mount in mounts:
            for controller in wanted.intersection(mount[2]):
                found.setdefault(controller, _upwards(mount, path))
    return found


def _upwards(mount: Mount, path: str) -> list[str]:
    """The directories from a cgroup up to the top of its mount, innermost first.

    Where the mount shows another part of the tree (a container without a cgroup namespace, or a process moved
    out of it: ``/../..``), its top is all that can be seen.
    """
    top, point, _ = mount
    top = top.rstrip("/")
    if "/.." in path or not (path == top or path.startswith(top + "/")):
        return [point]
    inner = path[len(top) :].strip("/")
    parts = inner.split("/") if inner else []
    return ["/".join((point.rstrip("/"), *parts[:depth])) for depth in range(len(parts), -1, -1)]


def _cgroup_mounts(text: str | None) -> list[Mount]:
    """The cgroup mounts of the process; where the mount table cannot be read, those that everybody uses."""
    if text is None:
        usual: list[Mount] = [("/", f"/sys/fs/cgroup/{name}", (name,)) for name in V1_CONTROLLERS]
        return [("/", "/sys/fs/cgroup", (V2,)), *usual]
    mounts: list[Mount] = []
    for line in text.splitlines():
        head, separator, tail = line.partition(" - ")
        before, after = head.split(" "), tail.split(" ")
        if not separator or len(before) < 6 or len(after) < 3 or after[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = (V2,) if after[0] == "cgroup2" else tuple(after[2].split(","))
        mounts.append((_unescape(before[3]), _unescape(before[4]), controllers))
    return mounts


def _unescape(path: str) -> str:
    r"""Undoes the kernel's octal escapes of blank, tab, newline and backslash (``\040``), proc(5)."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path


def _text(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return file.read(READ_AT_MOST).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
