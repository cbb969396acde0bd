"""The card of a record outside Metaflow: saved, opened in a browser, or shown in a notebook."""

from __future__ import annotations

import html
import tempfile
import webbrowser
from functools import cached_property
from pathlib import Path

from resource_tracker.errors import SettingError, TrackerError
from resource_tracker.export import WRITERS, to_html, write
from resource_tracker.records import TaskRecord

_NOTEBOOK_HEIGHT_PX = 900


class Report:
    """The card as one HTML page that needs nothing else: no network, no other file.

    Parameters
    ----------
    record : TaskRecord
        What it shows.
    """

    def __init__(self, record: TaskRecord) -> None:
        self.record = record

    @cached_property
    def html(self) -> str:
        """The page."""
        return to_html(self.record)

    def save(self, path: str | Path) -> Path:
        """Write the report; missing folders are made, an existing file is replaced.

        Parameters
        ----------
        path : str or Path
            The extension says what is written: ``.html`` the card, ``.json`` everything, ``.csv`` every stored row.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        SettingError
            Another extension.
        """
        path = Path(path)
        if path.suffix.lower() not in WRITERS:
            raise SettingError(f"{path}: unknown extension {path.suffix!r}: give {', '.join(WRITERS)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(self.record, path)
        return path

    def browse(self) -> Path:
        """Open the report in the user's browser.

        Returns
        -------
        Path
            The page, in a temporary folder that only this user can read. It stays: the browser may load it late.

        Raises
        ------
        TrackerError
            No browser could be opened; the message names the file.
        """
        path = self.save(Path(tempfile.mkdtemp(prefix="resource-tracker-report-"), "report.html"))
        if not webbrowser.open(path.as_uri()):
            raise TrackerError(f"no browser could be opened: open {path} yourself")
        return path

    def _repr_html_(self) -> str:
        """In a frame of its own, so that the page's styles and the notebook's do not meet."""
        style = f"width: 100%; height: {_NOTEBOOK_HEIGHT_PX}px; border: 0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{html.escape(self.html)}"></iframe>'
