"""What the last survivor does once the task is dead."""

import os


def after_death(spool: str) -> None:
    """The task died without saying goodbye: nobody will read the spool any more."""
    remove_spool(spool)


def remove_spool(spool: str) -> None:
    """Deletes the spool's folder, which may be gone already, or partly."""
    try:
        for name in os.listdir(spool):
            os.unlink(f"{spool}/{name}")
        os.rmdir(spool)
    except OSError:
        return
