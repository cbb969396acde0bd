"""The records' own ``dataclass`` makes what the standard library's makes."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import pytest

from resource_tracker.dataclass import dataclass, defaults_of, field_names, replace, required_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    name: str
    share: float | None = None
    marks: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def loud(self) -> str:
        return self.name.upper()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    name: str
    share: float | None = None
    marks: dict[str, int] = dataclasses.field(default_factory=dict)


KINDS = pytest.mark.parametrize("kind", [Quick, Standard])


@KINDS
def test_has_defaults_and_what_was_given(kind):
    """Fields get what was given, the default, or a new value of the factory for each instance."""
    given = kind(name="a", share=0.5)
    assert (given.name, given.share, given.marks) == ("a", 0.5, {})
    assert kind(name="a").marks is not kind(name="a").marks
    assert kind(name="a").share is None


@KINDS
def test_refuses_what_does_not_fit(kind):
    """A missing, an unknown and a positional value are type errors that name the field."""
    with pytest.raises(TypeError, match="'name'"):
        kind()
    with pytest.raises(TypeError, match="'colour'"):
        kind(name="a", colour="red")
    with pytest.raises(TypeError):
        kind("a")


@KINDS
def test_is_frozen_and_slotted(kind):
    """Nothing can be set or deleted, and there is no dict of attributes."""
    value = kind(name="a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="name"):
        value.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="name"):
        del value.name
    assert not hasattr(value, "__dict__")


@KINDS
def test_is_compared_by_class_and_values(kind):
    """Equal are values of one class with equal fields; their hashes agree where the fields can be hashed."""
    assert kind(name="a") == kind(name="a")
    assert kind(name="a") != kind(name="b")
    assert Quick(name="a") != Standard(name="a")
    with pytest.raises(TypeError, match="unhashable"):
        hash(kind(name="a"))
    assert hash(kind(name="a", marks=())) == hash(kind(name="a", marks=()))


@KINDS
def test_works_with_the_tools_of_dataclasses(kind):
    """``fields``, ``replace``, ``asdict`` and ``is_dataclass`` treat both alike."""
    value = kind(name="a", marks={"x": 1})
    assert dataclasses.is_dataclass(value)
    assert [field.name for field in dataclasses.fields(kind)] == ["name", "share", "marks"]
    assert dataclasses.replace(value, share=1.0) == kind(name="a", share=1.0, marks={"x": 1})
    assert dataclasses.asdict(value) == {"name": "a", "share": None, "marks": {"x": 1}}


@KINDS
def test_is_copied_and_pickled(kind):
    """Copies and pickles are equal to the original."""
    value = kind(name="a", marks={"x": 1})
    assert copy.deepcopy(value) == value
    assert copy.copy(value) == value
    assert pickle.loads(pickle.dumps(value)) == value


def test_reads_alike_and_keeps_methods():
    """Both print alike, and what the class defines itself stays."""
    assert repr(Quick(name="a", share=0.5)) == repr(Standard(name="a", share=0.5)).replace("Standard", "Quick")
    assert Quick(name="a").loud == "A"


def test_makes_one_kind_only():
    """Options that it does not have are refused, not ignored."""
    with pytest.raises(TypeError, match="only"):
        dataclass(frozen=False, slots=True, kw_only=True)


@pytest.mark.parametrize("standard", [False, True])
def test_takes_values_by_position_where_asked_for(standard):
    """Without ``kw_only`` values are also taken in the order of the fields, none too many and none twice."""

    class Point:
        x: int
        y: int = 0

    kind = (dataclasses.dataclass if standard else dataclass)(frozen=True, slots=True)(Point)
    assert (kind(1, 2).x, kind(1, 2).y) == (1, 2)
    assert kind(1) == kind(x=1) == kind(1, y=0)
    for values, named in (((), {}), ((1, 2, 3), {}), ((1,), {"x": 1})):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_fields_are_those_of_the_standard_one():
    """Names, types, defaults and keyword-only of each field; the names also without the standard library."""
    ours, theirs = dataclasses.fields(Quick), dataclasses.fields(Standard)
    for name in ("name", "type", "default", "default_factory", "kw_only", "init", "repr", "compare"):
        assert [getattr(field, name) for field in ours] == [getattr(field, name) for field in theirs]
    assert field_names(Quick) == field_names(Quick(name="a")) == ("name", "share", "marks")
    assert field_names("text") is None
    assert defaults_of(Quick) == {"share": None}
    assert required_names(Quick) == {"name"}


def test_fields_are_looked_into_once_and_are_those_of_the_class_itself():
    """What was made when somebody asked stays, and a class derived from a record has its fields."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Fresh:
        size: int = 3

    class Derived(Fresh):
        __slots__ = ()

    assert dataclasses.fields(Derived) == dataclasses.fields(Fresh) == dataclasses.fields(Fresh(size=4))
    assert Derived(size=2) != Fresh(size=2)
    assert Fresh.__dataclass_fields__ is Fresh.__dataclass_fields__


def test_replaces_without_the_standard_library():
    """``replace`` gives a changed copy, as do the standard library's, and refuses what is no field."""
    assert replace(Quick(name="a"), share=1.0) == Quick(name="a", share=1.0)
    with pytest.raises(TypeError, match="'colour'"):
        replace(Quick(name="a"), colour="red")
    with pytest.raises(TypeError, match="'colour'"):
        dataclasses.replace(Quick(name="a"), colour="red")


def _derived() -> type:
    class Derived(Quick):
        more: int = 0

    return Derived


def _with_post_init() -> type:
    class Checked:
        name: str

        def __post_init__(self) -> None: ...

    return Checked


def _made(**body: object) -> type:
    return type("Made", (), {"__annotations__": {"size": "int", "name": "str"}, **body})


@pytest.mark.parametrize(
    ("cls", "named"),
    [
        (_derived(), "bases"),
        (_with_post_init(), "__post_init__"),
        (_made(__annotations__={"size": "ClassVar[int]"}), "class variables"),
        (_made(__annotations__={"size": "dataclasses.InitVar[int]"}), "class variables"),
        (_made(name=[]), "mutable defaults"),
        (_made(name=dataclasses.field(default_factory=str, compare=False)), "options of fields"),
        (_made(name=dataclasses.field(default="a")), "options of fields"),
        (_made(size=1), "behind those with one"),
    ],
)
def test_refuses_what_it_does_not_make_alike(cls, named):
    """A class that would come out other than the standard library's is refused when it is made."""
    with pytest.raises(TypeError, match=named):
        dataclass(frozen=True, slots=True)(cls)
