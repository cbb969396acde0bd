"""Records to builtins and back, strictly: what is stored never depends on our classes."""

from __future__ import annotations

import types
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from resource_tracker.dataclass import field_names, required_names
from resource_tracker.errors import ArtifactError

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """A record as a dict of its fields, tuples as lists; builtins and frames stay."""
    names = field_names(value)
    if names is not None:
        return {name: to_plain(getattr(value, name)) for name in names}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(cls: type[T], value: object, where: str) -> T:
    """The record of class `cls` from what :func:`to_plain` made of it.

    A field with a default may be missing (it was added later), and an unknown key is left out (it was added
    later still); everything else must be there and of its type.

    Parameters
    ----------
    where : str
        Name of the value for messages, such as ``"usage"``.

    Raises
    ------
    ArtifactError
        A key is missing or a value is of another type; the message names it.
    """
    if not isinstance(value, dict):
        raise ArtifactError(f"{where} is a {type(value).__name__}, not a dict")
    found: dict[str, Any] = {}
    for name, hint, required, plain in _fields(cls):  # type: ignore[arg-type]  # a class is hashable
        if name in value:
            item = value[name]
            found[name] = item if type(item) in plain else _read(hint, item, f"{where}.{name}")
        elif required:
            raise ArtifactError(f"{where}.{name} is missing")
    return cls(**found)


@cache
def _fields(cls: type[Any]) -> tuple[tuple[str, Any, bool, frozenset[type]], ...]:
    """Name, type and "has no default" of each field, and classes whose instances need no closer look."""
    texts: dict[str, str] = cls.__annotations__
    # Each annotation is compiled: a summary has fifty of them, of ten kinds.
    body = {"__annotations__": {text: text for text in texts.values()}, "__module__": cls.__module__}
    hints = get_type_hints(type(cls.__name__, (), body))
    required = required_names(cls)
    return tuple((name, hints[text], name in required, _plain_classes(hints[text])) for name, text in texts.items())


def _plain_classes(hint: Any) -> frozenset[type]:
    """Most values are a number, a text or ``None``: a run of a thousand tasks has 25 000 of them to read."""
    if get_origin(hint) in (Union, types.UnionType):
        return frozenset().union(*map(_plain_classes, get_args(hint)))
    return frozenset({float, int} if hint is float else {hint} if hint in (str, int, bool, types.NoneType) else ())


def _read(hint: Any, value: object, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _read_optional(arguments, value, where)
    if origin is Literal:
        if value not in arguments or not isinstance(value, str):
            raise ArtifactError(f"{where} is {value!r}, not one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ArtifactError(f"{where} is a {type(value).__name__}, not a list")
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        return _read_dict(arguments, value, where)
    if isinstance(hint, type) and field_names(hint) is not None:
        return from_plain(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # a whole number: JSON and users write 5 for 5.0
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ArtifactError(f"{where} is a {type(value).__name__}, not a {hint.__name__}")
    return value


def _read_optional(alternatives: tuple[Any, ...], value: object, where: str) -> Any:
    """``X | None``; records with other unions are told apart by their reader."""
    if value is None and types.NoneType in alternatives:
        return None
    (alternative,) = (hint for hint in alternatives if hint is not types.NoneType)
    return _read(alternative, value, where)


def _read_dict(arguments: tuple[Any, ...], value: object, where: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ArtifactError(f"{where} is a {type(value).__name__}, not a dict")
    key_hint, value_hint = arguments
    return {
        _read(key_hint, key, f"a key of {where}"): _read(value_hint, item, f"{where}[{key!r}]")
        for key, item in value.items()
    }
