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
AUTOFS = b"autofs"
MAX_LINKS = 40
"""On one way, as the kernel has it."""
TRIES = 3


class FileSystem:
    """One file system: a directory on it, and whose directories lie on it.

    A `distant` one may take long to answer, or never do: its kind is of the network, or the way to it leads over one.
    """

    __slots__ = ("directory", "distant", "kind", "roles", "source", "type")

    def __init__(
        self, directory: str, role: str, file_system_type: str = "", source: bytes = b"", *, distant: bool = False
    ) -> None:
        self.directory = directory
        self.roles = [role]
        self.type = file_system_type
        self.kind = kind_of(file_system_type)
        self.source = source
        self.distant = distant

    def described(self, size_gb: float) -> str:
        """For the head of the spool; roles and types hold no blank."""
        return f"{self.kind} {self.type or '?'} {size_gb:.9f} {','.join(self.roles)}"


def file_systems(places: list[tuple[str, str]], proc: str = "/proc") -> list[FileSystem]:
    """The file systems of `places`, ``(role, directory)`` each: in their order, at most :data:`MAX_FILE_SYSTEMS`.

    Two directories are on one file system where the device is the same, or where one is a container's layer, or both
    have the same source (subvolumes), and what is free is the same to the block. Where the first directory is gone,
    the root stands in. No server is asked anything: it may not answer.
    """
    mounts = Mounts(proc)
    found: list[FileSystem] = []
    devices: dict[int | bytes, FileSystem] = {}
    for number, (role, directory) in enumerate(places):
        mount, distant = mounts.of(directory)
        if not number and not distant and not os.path.isdir(directory):
            directory = "/"
            mount, distant = mounts.of(directory)
        if mount is not None and mount.kind == AUTOFS:
            continue  # looking at it would mount it
        device: int | bytes
        if mount is not None and distant:
            device = mount.device
        else:
            try:
                device = os.stat(directory).st_dev
            except OSError:
                continue
        name = "" if mount is None else mount.kind.decode("ascii", "replace").replace(" ", "_")
        new = FileSystem(directory, role, name, b"" if mount is None else mount.source, distant=distant)
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


class Mounts:
    """What is mounted where. Nothing is known where that cannot be read: then devices tell file systems apart."""

    def __init__(self, proc: str) -> None:
        try:
            mounts = mountinfo.parse(KernelFile(f"{proc}/self/mountinfo").read())
        except (OSError, ParseError):
            mounts = []
        self._at = {mount.point.rstrip(b"/"): mount for mount in mounts}  # a later one hides an earlier one

    def of(self, directory: str) -> tuple[mountinfo.Mount | None, bool]:
        """The mount on which `directory` lies, and whether the way to it leads over one that may not answer.

        Symbolic links are followed, but none that such a file system has: to read it would be to ask.
        """
        rest = os.fsencode(os.path.join(_here(), directory)).split(b"/")
        path, links = b"", 0
        while rest:
            part, *rest = rest
            if part == b"..":
                path = path.rpartition(b"/")[0]
            elif part not in (b"", b"."):
                path += b"/" + part
                if _is_distant(self._above(path)):
                    return self._above(os.path.normpath(b"/".join([path, *rest]))), True
                try:
                    target = os.readlink(path)
                except OSError:
                    continue  # no link
                links += 1
                if links > MAX_LINKS:
                    break
                path = b"" if target.startswith(b"/") else path.rpartition(b"/")[0]
                rest = target.split(b"/") + rest
        mount = self._above(path)
        return mount, _is_distant(mount)

    def _above(self, path: bytes) -> mountinfo.Mount | None:
        while path.strip(b"/") and path not in self._at:
            path = path.rpartition(b"/")[0]
        return self._at.get(path.rstrip(b"/"))


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return "/"


def _is_distant(mount: mountinfo.Mount | None) -> bool:
    return mount is not None and (mount.kind == AUTOFS or kind_of(mount.kind.decode("ascii", "replace")) == NETWORK)


def _is_same(a: FileSystem, b: FileSystem) -> bool:
    if a.distant or b.distant:
        return False
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
