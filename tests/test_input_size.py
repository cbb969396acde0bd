"""The user's own input_size=: what may be written, and what its values mean."""

from __future__ import annotations

import functools
import math
import signal
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.errors import SettingError
from resource_tracker.flows import own_input_size
from resource_tracker.flows.input_size import ArtifactSizes
from resource_tracker.flows.own_input_size import MAX_ENTRIES, evaluated, size_of
from resource_tracker.size_expression import BUILTINS, MAX_CHARS, input_size_of, name_of

FLOW = SimpleNamespace(n=7, rows=["a", "b"], path="", method=lambda: 12)


def told_by(option: object, flow: object = FLOW) -> float | None:
    return evaluated(input_size_of(option, "@track_resources"), flow, ()).bytes


# --- what may be written ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "size"),
    [
        ("n", 7),
        (" n ", 7),
        ("method", 12),
        ("self.n * 3", 21),
        ("len(self.rows) * 8", 16),
        ("sum(len(row) + self.n for row in self.rows)", 16),
        ("max([self.n, 3], key=lambda x: -x)", 3),
        ("(k := self.n) + k", 14),
        ("math.ceil(self.n / 2)", 4),
        ("5 * 10**9", 5e9),
        (5e9, 5e9),
        (0, 0),
        (lambda self: self.n, 7),
        (lambda self, factor=2: self.n * factor, 7 * 2),
        (functools.partial(lambda factor, self: self.n * factor, 3), 21),
    ],
)
def test_forms(option: object, size: float) -> None:
    """A name, an expression, a number and a function of the flow all give bytes."""
    assert told_by(option) == size


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("self.n *", "no Python expression"),
        ("x = 3", "no Python expression"),
        ("", "no Python expression"),
        ("\0", "no Python expression"),
        ("lambda", "no Python expression"),
        ("(" * 300, "no Python expression"),
        ("np.prod(self.shape)", "'np'"),
        ("open(self.path).read()", "'open'"),
        ("exit()", "'exit'"),
        ("self", ""),
        ("self.n + " * 100 + "1", f"{MAX_CHARS} characters"),
        (True, ""),
        (-1, ""),
        (math.nan, ""),
        (math.inf, ""),
        (["n"], ""),
        (b"n", ""),
        (lambda: 3, "cannot be called with the flow"),
        (lambda a, b, c: 3, "cannot be called with the flow"),
    ],
)
def test_what_is_refused(option: object, told: str) -> None:
    """The message has the value, what is wrong with it, and what is allowed."""
    if option == "self":  # a flow is no number, but only the task can tell
        assert told_by(option) is None
        return
    with pytest.raises(SettingError) as caught:
        input_size_of(option, "@track_resources")
    message = str(caught.value)
    assert f"@track_resources: input_size={option!r} cannot be used" in message
    assert told in message
    assert "'n_bytes'" in message
    assert "\n" not in message


@given(st.one_of(st.text(), st.floats(), st.integers(), st.lists(st.integers())))
def test_any_value_is_taken_or_refused(value: object) -> None:
    """Nothing but SettingError comes out, and what is taken stays the same when it is read again."""
    try:
        option = input_size_of(value, "@track_resources")
    except SettingError:
        return
    assert input_size_of(option, "@track_resources") == option
    assert name_of(option)


def test_every_builtin_is_one() -> None:
    """The names that the page on the decorator lists are functions of Python, and all that there are."""
    page = (Path(__file__).parent.parent / "docs" / "decorator.md").read_text(encoding="utf-8")
    assert f"of Python's own functions {', '.join(f'`{name}`' for name in BUILTINS)} |" in page
    assert told_by(f"len([{', '.join(BUILTINS)}])") == len(BUILTINS)


# --- what values mean ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(bytes(1000))
    (tmp_path / "inner" / "b").write_bytes(bytes(234))
    (tmp_path / "link").symlink_to(tmp_path)  # round in circles, if one follows it
    return tmp_path


def test_paths_and_several(files: Path) -> None:
    """A path is worth its file's size, a folder the sum of its files, and several are added."""
    link = (files / "link").lstat().st_size
    assert size_of(str(files / "a")) == size_of(files / "a") == 1000
    assert size_of(files) == 1234 + link
    assert size_of([files / "a", 3, (Decimal(2), files / "inner")]) == 1000 + 3 + 2 + 234
    assert told_by("os.path.getsize(self.path)", SimpleNamespace(path=str(files / "a"))) == 1000


def test_numbers_of_numpy() -> None:
    """Numbers of other libraries count."""
    numpy = pytest.importorskip("numpy")
    assert size_of(numpy.int64(5)) == 5
    assert size_of(numpy.float32(2.5)) == 2.5


@pytest.mark.parametrize("value", [None, True, b"5", -1, math.nan, {}, {"a": 1}, object(), "/no/such/file", [3, None]])
def test_what_is_no_size(value: object) -> None:
    """Anything else gives no size and a reason without the message, which may hold a secret."""
    found = evaluated(lambda self: value, FLOW, ())
    assert found.bytes is None
    assert found.note is not None
    assert "see the step's log" in found.note
    assert "/no/such/file" not in found.note


def test_a_folder_of_too_many_files(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step does not wait for a folder of a million files."""
    monkeypatch.setattr(own_input_size, "MAX_ENTRIES", 3)
    with pytest.raises(ValueError, match="more than 3 entries"):
        size_of(files)
    assert MAX_ENTRIES > 1000


class RudeError(BaseException):
    """What no `except Exception` catches."""


class MuteError(Exception):
    """One that cannot even say what it is."""

    def __str__(self) -> str:
        raise ValueError("not even this")


@pytest.mark.parametrize(
    "error", [ValueError("of the user"), SystemExit(3), RecursionError(), MemoryError(), RudeError(), MuteError()]
)
def test_whatever_it_raises_stays_here(error: BaseException) -> None:
    """Also what would end the process; the name of the error is told."""

    def failing(self: object) -> float:
        raise error

    found = evaluated(failing, FLOW, ())
    assert (found.bytes, found.source) == (None, f"{failing.__qualname__}()")
    assert type(error).__name__ in str(found.note)


def test_an_alarm_of_the_user_passes() -> None:
    """A time-out that rings while it is evaluated is the step's: it goes on its way."""

    def ring(*_: Any) -> None:
        raise TimeoutError("of the user")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with pytest.raises(TimeoutError, match="of the user"):
            evaluated(lambda self: signal.raise_signal(signal.SIGALRM), FLOW, ())
    finally:
        signal.signal(signal.SIGALRM, before)


# --- input artifacts ----------------------------------------------------------------------------


class Frame:
    def __init__(self, var: str | None, num_splits: int | None) -> None:
        self.var, self.num_splits = var, num_splits


def datastore(**sizes: int) -> Any:
    """One that knows the sizes of its artifacts and cannot load any; equal sizes are equal contents."""
    objects = {name: f"sha{size}" for name, size in sizes.items()}
    return SimpleNamespace(ds_metadata={"objects": objects, "info": {name: {"size": s} for name, s in sizes.items()}})


def artifacts_of(*inputs: Any, stack: tuple[Frame, ...] = (), cached: dict[int, Any] | None = None) -> float | None:
    flow = SimpleNamespace(_foreach_stack=list(stack), _cached_input=cached or {})
    return ArtifactSizes(flow, inputs, {"resource_tracker_data"}).size().bytes


def test_artifacts_count_once_and_only_the_users() -> None:
    """Neither Metaflow's own nor ours count, and what two branches share counts once."""
    left = datastore(_graph_info=900, name=30, script_name=31, resource_tracker_data=5000, shared=100, left=1)
    assert artifacts_of(left) == 101
    assert artifacts_of(left, datastore(shared=100, right=2)) == 103
    assert artifacts_of() == 0


def test_an_artifact_without_a_size() -> None:
    """Metadata of a very old run may lack sizes: they count as nothing."""
    old = SimpleNamespace(ds_metadata={"objects": {"a": "x", "b": "y"}, "info": {"a": {}}})
    assert artifacts_of(old) == 0


def test_of_a_foreach_the_item_counts() -> None:
    """Its mean share of the list, until the step has loaded the item itself; outer lists by their share, too."""
    inputs = datastore(table=50, outer=400, items=1000)
    stack = (Frame("outer", 4), Frame("items", 10))
    assert artifacts_of(inputs, stack=stack) == 50 + 100 + 100
    assert artifacts_of(inputs, stack=stack, cached={0: bytes(9)}) == 50 + 100 + 100
    assert artifacts_of(inputs, stack=stack, cached={1: bytes(800)}) == 50 + 100 + 800
    assert artifacts_of(inputs, stack=stack, cached={1: {"no": "buffer"}}) == 50 + 100 + 100
    assert artifacts_of(inputs, stack=(Frame(None, None),)) == 1450


def test_an_item_that_names_a_file(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is the input, found from where the step began; a name of nothing is but a name."""
    monkeypatch.chdir(files)
    inputs, flow = datastore(items=100), SimpleNamespace(_foreach_stack=[Frame("items", 10)], _cached_input={})
    sizes = ArtifactSizes(flow, [inputs], ())
    monkeypatch.chdir("/")
    for item, size in (("a", 1000), (files / "a", 1000), ("inner", 10), ("no such file", 10), ("\0", 10)):
        flow._cached_input = {0: item}
        assert sizes.size().bytes == size


def test_arrays_by_their_buffer() -> None:
    """What numpy and array hold is counted without a copy."""
    numpy = pytest.importorskip("numpy")
    inputs, stack = datastore(items=1000), (Frame("items", 10),)
    assert artifacts_of(inputs, stack=stack, cached={0: numpy.zeros((10, 10))[::2]}) == 400
    assert artifacts_of(inputs, stack=stack, cached={0: numpy.array([object()])}) == 100  # only pointers
