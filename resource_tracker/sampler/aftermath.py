"""What the last survivor does once the task is dead."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from resource_tracker.sampler.publisher import Publisher


def after_death(spool: str, publisher: "Publisher | None") -> None:
    """The task died without saying goodbye: the publisher says what is left to say, then nobody needs the spool."""
    if publisher is not None:
        publisher.finish()
    remove_spool(spool)


def remove_spool(spool: str) -> None:
    """Deletes the spool's folder with all that is in it, which may be gone already, or partly."""
    try:
        with os.scandir(spool) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):  # where the publisher keeps its temporary files
                    remove_spool(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(spool)
    except OSError:
        return
