"""``dataclass`` for the records of a task, which are the same without the standard library's price.

The standard one writes and compiles six methods for each class: 0.8 ms each, more than 20 ms for those that a task
loads in its step's own time. Here all classes share their methods. ``fields``, ``replace``, ``asdict`` and
``is_dataclass`` of :mod:`dataclasses` work on both, and type checkers see the standard one.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass

__all__ = ["dataclass"]


def _dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Any:
    """Make a class whose instances are frozen and slotted: both must be asked for."""
    if not (frozen and slots):
        raise TypeError("dataclass() here makes classes with frozen=True, slots=True only")
    return lambda cls: _make(cls, kw_only)


def _make(cls: type, kw_only: bool) -> type:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    found = dataclasses.fields(made)
    made._names = tuple(field.name for field in found)
    made._defaults = {field.name: field.default for field in found if field.default is not dataclasses.MISSING}
    made._factories = {f.name: f.default_factory for f in found if f.default_factory is not dataclasses.MISSING}
    made.__init__ = _init if kw_only else _init_by_position
    for method in (_repr, _eq, _hash, _setattr, _delattr, _getstate, _setstate):
        name = f"__{method.__name__.strip('_')}__"
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _init(self: Any, /, **given: Any) -> None:
    values = {**self._defaults, **given}
    for name, factory in self._factories.items():
        if name not in values:
            values[name] = factory()
    if values.keys() != self.__dataclass_fields__.keys():
        raise TypeError(_misfit(type(self), values))
    for name in self._names:
        object.__setattr__(self, name, values[name])


def _init_by_position(self: Any, /, *values: Any, **given: Any) -> None:
    if len(values) > len(self._names):
        raise TypeError(f"{type(self).__qualname__}() takes {len(self._names)} values, not {len(values)}")
    named = dict(zip(self._names, values, strict=False))
    if named.keys() & given.keys():
        raise TypeError(f"{type(self).__qualname__}() got {', '.join(map(repr, named.keys() & given.keys()))} twice")
    _init(self, **named, **given)


def _misfit(cls: Any, values: dict[str, Any]) -> str:
    unexpected = [repr(name) for name in values if name not in cls._names]
    missing = [repr(name) for name in cls._names if name not in values]
    what = f"got unexpected {', '.join(unexpected)}" if unexpected else f"misses {', '.join(missing)}"
    return f"{cls.__qualname__}() {what}"


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self._names])


def _repr(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._names)})"


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
    for name, value in zip(self._names, state, strict=True):
        object.__setattr__(self, name, value)


if not TYPE_CHECKING:
    dataclass = _dataclass
