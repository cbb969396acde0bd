"""The error tree: everything this package raises on purpose."""


class ResourceTrackerError(Exception):
    """Base of every error of this package."""


class ParseError(ResourceTrackerError):
    """A kernel file did not have the expected form.

    Parameters
    ----------
    source : str
        The file that was read, such as ``/proc/stat``.
    reason : str
        What is wrong with it, in a few words.
    """

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason


class SpoolError(ResourceTrackerError):
    """A spool cannot be read or written; the message names the file."""


class FrameError(ResourceTrackerError, ValueError):
    """A TinyDataFrame was built from unusable data; the message names column or row."""


class ColumnNotFoundError(ResourceTrackerError, KeyError):
    """A TinyDataFrame has no such column; the message lists those it has."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the repr of the message


class MissingExtraError(ResourceTrackerError, ImportError):
    """An optional package is not installed; the message says which extra brings it."""


class ArtifactError(ResourceTrackerError):
    """An artifact is not ours, is damaged, or comes from a later version."""


class CatalogError(ResourceTrackerError):
    """A price catalog cannot be read; the message names the file or address."""


class SettingError(ResourceTrackerError, ValueError):
    """An option has an unusable value; the message shows it and what is allowed."""


class TrackerError(ResourceTrackerError):
    """The sampler could not be started or did not answer."""


class NotTrackedError(ResourceTrackerError):
    """There is no such flow, run, step or task, or it was not tracked; the message says what there is."""


class TraceError(ResourceTrackerError, ValueError):
    """A trace cannot be replayed; the message names the file, the line and what is allowed."""


class SourceError(ResourceTrackerError):
    """A flow's file cannot be read, or does not hold the flow; the message names the file and what it lacks."""


def is_of_a_signal_handler(error: BaseException) -> bool:
    """Whether an exception came out of a signal handler of ``@timeout`` or of the flow's own file.

    Such a handler interrupts whatever the task is doing just then, also us: the exception belongs to the user, and
    whoever catches it here must let it pass.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    raised_in = traceback.tb_frame.f_globals.get("__name__") if traceback is not None else None
    return raised_in in ("__main__", "metaflow.plugins.timeout_decorator")
