"""A unified diff of a file's bytes, as ``git apply`` and ``patch`` take it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
"""Lines as ``patch`` counts them: a carriage return belongs to its line."""
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_MUST_BE_QUOTED = re.compile(r'[\x00-\x1f"\\\x7f]')


def unified_diff(name: str, before: bytes, after: bytes) -> bytes:
    """The changes with three lines of context; empty where there are none.

    Parameters
    ----------
    name : str
        Path of the file from the folder in which the diff is to be applied with ``-p0``.
    """
    label = quoted(name).encode("utf-8", "surrogateescape")
    return b"".join(_diff(label, _LINE.findall(before), _LINE.findall(after)))


def _diff(label: bytes, before: list[bytes], after: list[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(
        difflib.diff_bytes(difflib.unified_diff, before, after, label, label, lineterm=b"\n")
    ):
        if number >= 2 and not line.endswith(b"\n"):
            yield line + _NO_NEWLINE
        elif number < 2 and b" " in label:
            yield line[:-1] + b"\t\n"  # without it, a space would end the name
        else:
            yield line


def quoted(name: str) -> str:
    """The name as Git writes it: in quotes, with escapes, where it holds control characters, quotes or backslashes."""
    if not _MUST_BE_QUOTED.search(name):
        return name
    return '"' + _MUST_BE_QUOTED.sub(lambda match: f"\\{ord(match[0]):03o}", name) + '"'
