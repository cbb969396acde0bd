"""What was probably meant by a name that there is not, and which there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable

MOST_LISTED = 8
ALIKE = 0.6
"""Share of a name that has to be the same, for it to be what was probably meant."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """What was probably meant; ``None`` where nothing is like it."""
    from difflib import get_close_matches  # slow to load, and only for a message

    by_lower = {other.lower(): other for other in known}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=ALIKE)
    return by_lower[found[0]] if found else None


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


def _by_likeness(name: str, known: list[str]) -> list[str]:
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(name.lower())

    def unlike(other: str) -> float:
        matcher.set_seq1(other.lower())
        return -matcher.ratio()

    return sorted(known, key=unlike)
