"""Storage bytes of the step's processes."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.account import Io
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.procfs import pid_io, pid_stat
from resource_tracker.sampler.procfs.files import KernelFile, read_record

IO_BYTES = 1024
NOTHING: Io = (0.0, 0.0)


class _Seen:
    """What was last read of one member: the same bytes are not read into numbers again."""

    __slots__ = ("data_hash", "file", "io")

    def __init__(self, file: KernelFile | None) -> None:
        self.file = file
        self.data_hash: int | None = None
        self.io = NOTHING


class TreeIo:
    """Bytes that each member read and wrote, as last seen. Where the root's cannot be read, `works` is False.

    The files of up to `most_open` members are held open: reading one takes a third of the time then.
    """

    def __init__(self, proc: str, failures: Failures, most_open: int) -> None:
        self._proc = proc
        self._failures = failures
        self._most_open = most_open
        self._seen: dict[Member, _Seen] = {}
        self.works = True

    def read(self, member: Member, *, is_root: bool) -> Io:
        """Reads a member anew; what was last seen, where that fails. Unchanged, it is the very same tuple."""
        seen = self._seen.get(member) or self._begin(member)
        if not self.works:
            return seen.io
        try:
            data = read_record(self._path(member), IO_BYTES) if seen.file is None else seen.file.read_record(IO_BYTES)
            data_hash = hash(data)
            if data_hash != seen.data_hash:
                seen.io = pid_io.parse(data)
                seen.data_hash = data_hash
        except (OSError, ParseError) as error:
            if is_root and not isinstance(error, ProcessLookupError | FileNotFoundError):
                self._failures.note(pid_io.SOURCE, error)
                self.works = False
            elif isinstance(error, PermissionError) and self._has_memory(member):
                # It runs as another user: the sum is a lower bound.
                self._failures.note(f"{pid_io.SOURCE} of some descendants", error)
        return seen.io

    def _has_memory(self, member: Member) -> bool:
        """Not so of one that is ending: the kernel has let go of its memory, and denies whatever belongs to that."""
        try:
            return pid_stat.parse(read_record(f"{self._proc}/{member.pid}/stat")).rss_pages > 0
        except (OSError, ParseError):
            return False

    def _path(self, member: Member) -> str:
        return f"{self._proc}/{member.pid}/io"

    def _begin(self, member: Member) -> _Seen:
        file = KernelFile(self._path(member)) if len(self._seen) < self._most_open else None
        seen = self._seen[member] = _Seen(file)
        return seen

    def forget(self, member: Member) -> Io:
        """What was last seen of a member that ended."""
        return self._seen.pop(member).io
