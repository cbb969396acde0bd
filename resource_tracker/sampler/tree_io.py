"""Storage bytes of the step's processes."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.account import Io
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.procfs import pid_io
from resource_tracker.sampler.procfs.files import read_record

IO_BYTES = 1024


class TreeIo:
    """Bytes that each member read and wrote, as last seen. Where the root's cannot be read, `works` is False."""

    def __init__(self, proc: str, failures: Failures) -> None:
        self._proc = proc
        self._failures = failures
        self._seen: dict[Member, Io] = {}
        self.works = True

    def read(self, member: Member, *, is_root: bool) -> Io:
        """Reads a member anew; what was last seen, where that fails."""
        before = self._seen.get(member, (0.0, 0.0))
        if self.works:
            try:
                before = pid_io.parse(read_record(f"{self._proc}/{member.pid}/io", IO_BYTES))
            except (OSError, ParseError) as error:
                if is_root and not isinstance(error, ProcessLookupError | FileNotFoundError):
                    self._failures.note(pid_io.SOURCE, error)
                    self.works = False
                elif isinstance(error, PermissionError):  # it runs as another user: the sum is a lower bound
                    self._failures.note(f"{pid_io.SOURCE} of some descendants", error)
        self._seen[member] = before
        return before

    def forget(self, member: Member) -> Io:
        """What was last seen of a member that ended."""
        return self._seen.pop(member)
