"""A Python file as text with exact positions, and changes to it that leave every other byte as it was.

Pure: bytes in, bytes out.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import SourceError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""Lines as Python counts them: a form feed or a line separator of Unicode ends none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`text` in place of what stands from `start` to `end`, which are offsets of characters."""

    start: int
    end: int
    text: str


class SourceText:
    """A file's text.

    Parameters
    ----------
    name : str
        For messages.
    content : bytes
        The file; its encoding is found as Python does (PEP 263, byte order mark).

    Raises
    ------
    SourceError
        Python could not read it either.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._content = content
        try:
            self._encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            self.text = content.decode(self._encoding)
        except SyntaxError as error:
            raise SourceError(f"{name} is no Python file: {error.msg}") from None
        except UnicodeDecodeError as error:
            at = f"byte {error.start}: {error.reason}"
            raise SourceError(f"{name} is no Python file in encoding {self._encoding}: {at}") from None
        if self.text.encode(self._encoding) != content:
            raise SourceError(f"{name}: its encoding {self._encoding} cannot be written back as it was")
        self._lines = _LINE.findall(self.text)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def parse(self) -> ast.Module:
        """The syntax tree.

        Raises
        ------
        SourceError
            The text is not Python, or not that of the Python that we run on.
        """
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            raise SourceError(f"{self.name}, line {error.lineno}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise SourceError(f"{self.name} is no Python file: {error}") from None

    def span(self, node: ast.expr | ast.keyword) -> tuple[int, int]:
        """Offsets at which a node of :meth:`parse` begins and ends."""
        end_line, end_column = node.end_lineno, node.end_col_offset
        if end_line is None or end_column is None:
            raise SourceError(f"{self.name}, line {node.lineno}: a position is missing")
        return self._offset(node.lineno, node.col_offset), self._offset(end_line, end_column)

    def before_on_line(self, offset: int) -> str:
        """What stands on the line before an offset."""
        start = max(start for start in self._starts if start <= offset)
        return self.text[start:offset]

    def newline(self) -> str:
        """How the file's first line ends."""
        first = self._lines[0] if self._lines else ""
        return first[len(first.rstrip("\r\n")) :] or "\n"

    def with_edits(self, edits: Iterable[Edit]) -> bytes:
        """The file with the edits, which do not overlap; of several at one place, the first comes first."""
        pieces, done = [], 0
        for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
            pieces += [self.text[done : edit.start], edit.text]
            done = edit.end
        return "".join([*pieces, self.text[done:]]).encode(self._encoding)

    @property
    def content(self) -> bytes:
        return self._content

    def _offset(self, line: int, column: int) -> int:
        """Python counts columns in bytes of UTF-8, whatever the file's encoding."""
        before = self._lines[line - 1].encode("utf-8")[:column]
        return self._starts[line - 1] + len(before.decode("utf-8"))
