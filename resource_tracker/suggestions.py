"""What was probably meant by a name that there is not, and which there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable

MOST_LISTED = 8
ALIKE = 0.6
"""Share of a name that has to be the same, for it to be what was probably meant."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """What was probably meant; ``None`` where nothing is like it."""
    best = next(iter(_by_likeness(name, known)), None)
    return None if best is None or _likeness(name, best) < ALIKE else best


def there_are(name: str, known: Iterable[str], most: int = MOST_LISTED) -> str:
    """The end of a message that refuses a name: ``: did you mean 'aws'? There are aws, azure, gcp``.

    Parameters
    ----------
    known : iterable of str
        Names that there are.
    most : int
        Of more names than this, only so many are listed, the most similar first.
    """
    names = list(dict.fromkeys(known))
    meant = closest(name, names)
    if not names:
        return ": there are none"
    if len(names) == 1:
        return f": did you mean {meant!r}?" if meant else f": there is only {names[0]}"
    listed = ", ".join(names)
    if len(names) > most:
        listed = f"{len(names)}, such as {', '.join(_by_likeness(name, names)[:most])}"
    return f": did you mean {meant!r}? There are {listed}" if meant else f": there are {listed}"


def _by_likeness(name: str, known: Iterable[str]) -> list[str]:
    """The most similar first; of those that are equally so, in their order."""
    return sorted(known, key=lambda other: -_likeness(name, other))


def _likeness(name: str, other: str) -> float:
    from difflib import SequenceMatcher  # slow to load, and only for a message

    return SequenceMatcher(None, name.lower(), other.lower(), autojunk=False).ratio()
