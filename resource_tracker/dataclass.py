"""``dataclass`` for the records of a task, which are the same without the standard library's price.

The standard one writes and compiles six methods for each class and looks at each field: 0.8 ms a class, more than 20 ms
for those that a task loads in its step's own time. Here all classes share their methods, and
``__dataclass_fields__`` is made when it is first asked for. So :mod:`dataclasses` works on both, and type checkers see
the standard one.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass, replace

__all__ = ["dataclass", "field_names", "replace"]


def field_names(record: Any) -> tuple[str, ...] | None:
    """Names of the fields of a record or its class, in order; ``None`` for anything else."""
    return getattr(record, "_field_names", None)


def _dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Any:
    """Make a class whose instances are frozen and slotted: both must be asked for."""
    if not (frozen and slots):
        raise TypeError("dataclass() here makes classes with frozen=True, slots=True only")
    return lambda cls: _make(cls, kw_only)


def _make(cls: type, kw_only: bool) -> type:
    body = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__")}
    names = tuple(cls.__annotations__)
    given = {name: body.pop(name) for name in names if name in body}
    factories = {n: value.default_factory for n, value in given.items() if isinstance(value, dataclasses.Field)}
    for name, method in _METHODS.items():
        body.setdefault(name, method)
    body.update(
        __slots__=names,
        __qualname__=cls.__qualname__,
        __init__=_init if kw_only else _init_by_position,
        __match_args__=() if kw_only else names,
        __dataclass_fields__=_Fields(given, kw_only),
        _field_names=names,
        _names=frozenset(names),
        _defaults={name: value for name, value in given.items() if name not in factories},
        _factories=factories,
    )
    return type(cls)(cls.__name__, cls.__bases__, body)


class _Fields:
    """Stands for ``__dataclass_fields__`` until somebody asks: few records are ever looked into."""

    def __init__(self, given: dict[str, Any], kw_only: bool) -> None:
        self._given = given
        self._kw_only = kw_only

    def __get__(self, instance: object, owner: Any) -> dict[str, dataclasses.Field[Any]]:
        body = {**self._given, "__annotations__": owner.__annotations__, "__module__": owner.__module__, "__doc__": ""}
        make: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=self._kw_only)
        fields: dict[str, dataclasses.Field[Any]] = make(type(owner.__name__, (), body)).__dataclass_fields__
        owner.__dataclass_fields__ = fields
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


def _setstate(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self._field_names, state, strict=True):
        _set(self, name, value)


def _replace(self: Any, /, **changes: Any) -> Any:
    return type(self)(**{name: getattr(self, name) for name in self._field_names} | changes)


_METHODS = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _values,
    "__setstate__": _setstate,
    "__replace__": _replace,
}

if not TYPE_CHECKING:
    dataclass, replace = _dataclass, _replace
