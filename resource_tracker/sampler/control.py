"""How the task speaks to the sampler: a named pipe, opened for each message, so that the task holds nothing open.

A message is a line ``WORD NAME TOKEN``. The sampler answers into the named pipe ``reply.TOKEN``, which the task made;
what the step's own code says (:data:`BEGIN`, :data:`END`, :data:`STAGE`, :data:`WARN`) has no answer, so nobody waits.
"""

import errno
import os

CONTROL = "control"
MARK, STOP = "mark", "stop"
BEGIN, END, STAGE = "begin", "end", "stage"
"""Of the stretches that the step marks: a block begins, it ends, a mark ends what came before it."""
WARN = "warn"
"""What to say in the step's log, and from how much memory on."""
STOPPING = "stopping"
"""What the sampler says to itself when it gets SIGTERM, and the event that it makes of it."""
NO_ANSWER = "0"
"""Token of a message that has no answer."""
STEP_END = "step_end"


class Message:
    """What the task asks for: a mark (`name` says of what) or the end."""

    __slots__ = ("name", "token", "word")

    def __init__(self, word: str, name: str, token: str) -> None:
        self.word = word
        self.name = name
        self.token = token


class Control:
    """The sampler's end of the pipe. Raises OSError where there is none."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        # For both directions, so that it never reads as ended when a writer leaves.
        self.fd = os.open(f"{directory}/{CONTROL}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def close(self) -> None:
        """From now on the task finds nobody listening."""
        os.close(self.fd)

    def note_stopping(self) -> None:
        """For a signal's handler: the loop wakes up and finds it among the messages."""
        try:
            os.write(self.fd, f"{STOPPING} now {NO_ANSWER}\n".encode())
        except OSError:
            return

    def messages(self) -> list[Message]:
        """What came since the last call; lines of another form are left out."""
        data = self._rest
        while True:
            try:
                block = os.read(self.fd, 4096)
            except BlockingIOError:
                break
            data += block
            if len(block) < 4096:
                break
        *lines, self._rest = data.split(b"\n")
        split = (line.decode("ascii", "replace").split(" ") for line in lines)
        return [Message(*fields) for fields in split if len(fields) == 3 and fields[2].isalnum()]

    def answer(self, message: Message, *, until_exit: bool = False) -> None:
        """Tells the task that its message was acted on; `until_exit` lets it see the sampler's end, too.

        The task may have given up waiting: then nothing happens.
        """
        path = f"{self._directory}/reply.{message.token}"
        try:
            # For both directions: writing to a pipe that nobody reads would end the sampler (SIGPIPE).
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            os.write(fd, b"\n")
        except OSError:
            return
        if not until_exit:
            os.close(fd)


def is_heard(directory: str) -> bool:
    """Whether a sampler listens. Raises OSError for anything but that nobody does."""
    try:
        os.close(_open_listened(directory))
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    return True


def send(directory: str, word: str, name: str, token: str) -> None:
    """The task's end. Raises OSError, also where no sampler listens."""
    listened = _open_listened(directory)
    try:
        # A second descriptor that reads, too: the sampler may end right now, and SIGPIPE may not be ignored here.
        fd = os.open(f"{directory}/{CONTROL}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, f"{word} {name} {token}\n".encode())
        finally:
            os.close(fd)
    finally:
        os.close(listened)


def _open_listened(directory: str) -> int:
    return os.open(f"{directory}/{CONTROL}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
