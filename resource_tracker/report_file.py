"""The card of a record outside Metaflow: saved, opened in a browser, or shown in a notebook."""

from __future__ import annotations

import html
import tempfile
import webbrowser
from functools import cached_property
from pathlib import Path

from resource_tracker.errors import TrackerError
from resource_tracker.export import check_destination, to_html, write
from resource_tracker.records import TaskRecord

_NOTEBOOK_HEIGHT_PX = 1200
"""Until the page has told its own, or where the notebook runs no scripts."""
_TELL_HEIGHT = """<script>
const tell = () => parent.postMessage({resourceTrackerHeight: document.body.scrollHeight}, "*");
tell();  // an observer in a frame that is out of view does not run
new ResizeObserver(tell).observe(document.body);
</script>"""
_FOLLOW_HEIGHT = """<script>
addEventListener("message", event => {
  const height = event.data && event.data.resourceTrackerHeight;
  if (typeof height === "number")
    for (const frame of document.querySelectorAll("iframe.resource-tracker-card"))
      if (frame.contentWindow === event.source) frame.style.height = `${height}px`;
});
</script>"""


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
        """Write the report; an existing file is replaced, a missing folder is not made.

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
            Another extension, no such folder, or no right to write there.
        """
        path = check_destination(Path(path))
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
        """In a frame of its own, so that the page's styles and the notebook's do not meet; as high as its page."""
        style = f"width: 100%; height: {_NOTEBOOK_HEIGHT_PX}px; border: 0"
        page = html.escape(self.html + _TELL_HEIGHT)
        frame = (
            f'<iframe class="resource-tracker-card" sandbox="allow-scripts" style="{style}" srcdoc="{page}"></iframe>'
        )
        return _FOLLOW_HEIGHT + frame
