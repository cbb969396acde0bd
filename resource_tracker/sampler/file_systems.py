"""Which file systems a step writes to: each once, and of what kind."""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs import mountinfo
from resource_tracker.sampler.procfs.files import KernelFile

MAX_FILE_SYSTEMS = 4
"""The step's directory has the columns of the frame; each further one a column of the spool."""
DISK, OVERLAY, MEMORY, NETWORK, HOST = "disk", "overlay", "memory", "network", "host"
"""Kinds: of block devices (and whatever is unknown), a container's own layer, in memory, on a server, of the host."""
KINDS = {
    OVERLAY: ("overlay", "aufs", "fuse.fuse-overlayfs"),
    MEMORY: ("tmpfs", "ramfs", "devtmpfs"),
    NETWORK: ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "gpfs", "beegfs", "afs", "wekafs", "pvfs2"),
    HOST: ("9p", "virtiofs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "fuse.grpcfuse"),
}
LOCAL_FUSE = ("fuse.ntfs-3g", "fuse.lxcfs", "fuse.mergerfs")
TRIES = 3


class FileSystem:
    """One file system: a directory on it, and whose directories lie on it."""

    __slots__ = ("directory", "kind", "roles", "source", "type")

    def __init__(self, directory: str, role: str, file_system_type: str = "", source: bytes = b"") -> None:
        self.directory = directory
        self.roles = [role]
        self.type = file_system_type
        self.kind = kind_of(file_system_type)
        self.source = source

    def described(self, size_gb: float) -> str:
        """For the head of the spool; roles and types hold no blank."""
        return f"{self.kind} {self.type or '?'} {size_gb:.9f} {','.join(self.roles)}"


def file_systems(places: list[tuple[str, str]], proc: str = "/proc") -> list[FileSystem]:
    """The file systems of `places`, ``(role, directory)`` each: in their order, at most :data:`MAX_FILE_SYSTEMS`.

    Two directories are on one file system where the device is the same, or where one is a container's layer, or both
    have the same source (subvolumes), and what is free is the same to the block. Where the first directory is gone,
    the root stands in.
    """
    mounts = _mounts(proc)
    first, directory = places[0]
    if not os.path.isdir(directory):
        places = [(first, "/"), *places[1:]]
    found: list[FileSystem] = []
    devices: dict[int, FileSystem] = {}
    for role, directory in places:
        mount = _mount_of(directory, mounts)
        if mount is not None and mount.kind == b"autofs":
            continue  # looking at it would mount it
        try:
            device = os.stat(directory).st_dev
        except OSError:
            continue
        name = "" if mount is None else mount.kind.decode("ascii", "replace").replace(" ", "_")
        new = FileSystem(directory, role, name, b"" if mount is None else mount.source)
        known = devices.get(device) or next((other for other in found if _is_same(new, other)), None)
        if known is not None:
            if role not in known.roles:
                known.roles.append(role)
            devices[device] = known
        elif len(found) < MAX_FILE_SYSTEMS:
            devices[device] = new
            found.append(new)
    return found


def kind_of(file_system_type: str) -> str:
    """One of the kinds, by the kernel's name of the type."""
    for kind, names in KINDS.items():
        if file_system_type in names:
            return kind
    is_remote = file_system_type.startswith("fuse.") and file_system_type not in LOCAL_FUSE
    return NETWORK if is_remote else DISK


def _mounts(proc: str) -> list[mountinfo.Mount]:
    """Empty where they are not told: then devices alone tell file systems apart."""
    try:
        return mountinfo.parse(KernelFile(f"{proc}/self/mountinfo").read())
    except (OSError, ParseError):
        return []


def _mount_of(directory: str, mounts: list[mountinfo.Mount]) -> mountinfo.Mount | None:
    """The last one that stands on the way to `directory`; symbolic links are followed."""
    path = os.fsencode(os.path.realpath(directory))
    best = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip(b"/") + b"/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _is_same(a: FileSystem, b: FileSystem) -> bool:
    if OVERLAY not in (a.kind, b.kind) and (a.source != b.source or a.type != b.type or not a.source.startswith(b"/")):
        return False
    for _ in range(TRIES):  # somebody may write between the two looks
        try:
            one, two = os.statvfs(a.directory), os.statvfs(b.directory)
        except OSError:
            return False
        if (one.f_blocks, one.f_frsize, one.f_files) != (two.f_blocks, two.f_frsize, two.f_files):
            return False
        if (one.f_bfree, one.f_ffree) == (two.f_bfree, two.f_ffree):
            return True
    return False
