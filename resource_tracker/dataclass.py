"""``dataclass`` for the records of a task, which are the same without the standard library's price.

The standard one writes and compiles six methods for each class and looks at each field: 0.8 ms a class, more than 40 ms
for those that a task loads in its step's own time. Here all classes share their methods, and
``__dataclass_fields__`` is made when it is first asked for. So :mod:`dataclasses` works on both, and type checkers see
the standard one. What no record needs is refused: base classes, class variables, ``__post_init__`` and options of
fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass, replace

__all__ = ["dataclass", "defaults_of", "field_names", "replace", "required_names"]


def field_names(record: Any) -> tuple[str, ...] | None:
    """Names of the fields of a record or its class, in order; ``None`` for anything else."""
    return getattr(record, "_field_names", None)


def defaults_of(record: Any) -> Mapping[str, Any]:
    """Default values of the fields of a record or its class, for those that have one; no factories."""
    defaults: Mapping[str, Any] = record._defaults
    return defaults


def required_names(record: Any) -> frozenset[str]:
    """Names of the fields of a record or its class that have no default."""
    required: frozenset[str] = record._names - record._defaults.keys() - record._factories.keys()
    return required


def _dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Any:
    """Make a class whose instances are frozen and slotted: both must be asked for."""
    if not (frozen and slots):
        raise TypeError("dataclass() here makes classes with frozen=True, slots=True only")
    return lambda cls: _make(cls, kw_only)


def _make(cls: type, kw_only: bool) -> type:
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    hints: dict[str, Any] = body.get("__annotations__") or cls.__annotations__
    names = tuple(hints)
    given = {name: body.pop(name) for name in names if name in body}
    factories = {name: value.default_factory for name, value in given.items() if type(value) is dataclasses.Field}
    _refuse_what_is_not_made(cls, hints, given, kw_only)
    fields = _Fields(given, kw_only)
    for name, method in _METHODS.items():
        body.setdefault(name, method)
    body.update(
        __slots__=names,
        __init__=_init if kw_only else _init_by_position,
        __match_args__=() if kw_only else names,
        __dataclass_fields__=fields,
        _field_names=names,
        _names=frozenset(names),
        _defaults={name: value for name, value in given.items() if name not in factories},
        _factories=factories,
    )
    fields.made = type(cls)(cls.__name__, cls.__bases__, {**body, "__qualname__": cls.__qualname__})
    return fields.made


def _refuse_what_is_not_made(cls: type, hints: dict[str, Any], given: dict[str, Any], kw_only: bool) -> None:
    """Better no class than one that differs from what the standard library would make."""
    what = None
    types = " ".join(map(str, hints.values()))
    if cls.__bases__ != (object,) or "__post_init__" in cls.__dict__:
        what = "classes with bases or __post_init__"
    elif "ClassVar" in types or "InitVar" in types:
        what = "class variables"
    elif any(map(_is_special, given.values())):
        what = "mutable defaults, nor options of fields but default_factory"
    elif not kw_only and any(name not in given for name in list(hints)[-len(given) :] if given):
        what = "fields without a default behind those with one"
    if what is not None:
        raise TypeError(f"{cls.__qualname__}: dataclass() here takes no {what}")


_PLAIN_FIELD: Any = dataclasses.field(default_factory=dict)
_OPTIONS = ("default", "init", "repr", "hash", "compare", "metadata", "kw_only")


def _is_special(value: Any) -> bool:
    if type(value) is not dataclasses.Field:
        return type(value).__hash__ is None
    as_usual = all(getattr(value, name) == getattr(_PLAIN_FIELD, name) for name in _OPTIONS)
    return value.default_factory is dataclasses.MISSING or not as_usual


class _Fields:
    """Stands for ``__dataclass_fields__`` until somebody asks: few records are ever looked into."""

    made: type

    def __init__(self, given: dict[str, Any], kw_only: bool) -> None:
        self._given = given
        self._kw_only = kw_only

    def __get__(self, instance: object, owner: Any) -> dict[str, dataclasses.Field[Any]]:
        made: Any = self.made
        body = {**self._given, "__annotations__": made.__annotations__, "__module__": made.__module__, "__doc__": ""}
        make: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=self._kw_only)
        fields: dict[str, dataclasses.Field[Any]] = make(type(made.__name__, (), body)).__dataclass_fields__
        made.__dataclass_fields__ = fields  # from now on nobody comes here
        return fields


def _init(self: Any, /, **given: Any) -> None:
    values = {**self._defaults, **given}
    for name, factory in self._factories.items():
        if name not in values:
            values[name] = factory()
    if values.keys() != self._names:
        raise TypeError(_misfit(type(self), values))
    for name, value in values.items():
        _set(self, name, value)


def _init_by_position(self: Any, /, *values: Any, **given: Any) -> None:
    names = self._field_names
    if len(values) > len(names):
        raise TypeError(f"{type(self).__qualname__}() takes {len(names)} values, not {len(values)}")
    named = dict(zip(names, values, strict=False))
    if named.keys() & given.keys():
        raise TypeError(f"{type(self).__qualname__}() got {', '.join(map(repr, named.keys() & given.keys()))} twice")
    _init(self, **named, **given)


_set = object.__setattr__


def _misfit(cls: Any, values: dict[str, Any]) -> str:
    unexpected = [repr(name) for name in values if name not in cls._names]
    missing = [repr(name) for name in cls._field_names if name not in values]
    what = f"got unexpected {', '.join(unexpected)}" if unexpected else f"misses {', '.join(missing)}"
    return f"{cls.__qualname__}() {what}"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self._field_names])


def _repr(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._field_names)})"


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _setattr(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> tuple[Any, ...]:
    return _values(self)


def _setstate(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self._field_names, state, strict=True):
        _set(self, name, value)


def _replace(record: Any, /, **changes: Any) -> Any:
    """A copy with other values, as :func:`dataclasses.replace`."""
    return type(record)(**{name: getattr(record, name) for name in record._field_names} | changes)


_METHODS = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
    "__replace__": _replace,
}

if not TYPE_CHECKING:
    dataclass, replace = _dataclass, _replace
