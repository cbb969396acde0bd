"""Lines of ours on standard error."""

from __future__ import annotations

import sys
import unicodedata
from contextlib import suppress

PROGRAM = "resource-tracker"
_UNPRINTABLE = ("Cc", "Cf", "Cs")
"""Unicode categories: control characters, invisible format characters, halves of characters."""


def say(text: str) -> None:
    """One line, under our name; nothing where standard error is closed or nobody reads it."""
    with suppress(OSError, ValueError):
        print(f"{PROGRAM}: {printable(text)}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text without control characters, so that no name can drive the terminal; no-break spaces become spaces."""
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    if text.isprintable():
        return text
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _UNPRINTABLE else char for char in text)
