"""Output in an encoding that lacks our characters: plain ones take their place, and nothing is cut off."""

from __future__ import annotations

import codecs
from typing import TextIO

_ERRORS = "resource-tracker"
_REPLACED = ("strict", "surrogateescape", "backslashreplace")
"""What Python itself sets for standard streams; anything else somebody has chosen."""
_PLAIN = dict(zip("×−–─▏█▓▒░▁▂▃▄▅▆▇·", "x---|#%=-..::++#.", strict=True)) | {"≤": "<=", "≥": ">="}


def tolerate(stream: TextIO) -> None:
    """Let the stream write something readable for each character that its encoding lacks, rather than fail."""
    if getattr(stream, "errors", None) in _REPLACED and hasattr(stream, "reconfigure"):
        codecs.register_error(_ERRORS, _replaced)
        stream.reconfigure(errors=_ERRORS)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(char, "?") for char in error.object[error.start : error.end]), error.end
