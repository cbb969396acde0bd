"""``input_size=`` against the names of a flow: a typo is refused, whatever may come from elsewhere is taken."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import textwrap
from pathlib import Path

import pytest

from resource_tracker.errors import SettingError
from resource_tracker.flows.flow_names import check_input_size

_COUNT = itertools.count()
FLOW = """
    from metaflow import FlowSpec, Parameter, step, catch
    {before}

    class NamesFlow({bases}FlowSpec):
        alpha = Parameter("alpha", default=1)
        limit = 5

        def size(self):
            return 7

        @step
        def start(self):
            self.rows = [1, 2]
            {body}
            self.next(self.end)

        @step
        def end(self):
            print(len(self.rows))
"""


def flow_class(folder: Path, body: str = "pass", before: str = "", bases: str = "") -> type:
    """The class of a flow in a file of its own, as Metaflow finds it."""
    path = folder / f"names_flow_{next(_COUNT)}.py"
    text = textwrap.dedent(FLOW).replace("{before}", before).replace("{bases}", bases)
    path.write_text(text.replace("{body}", body), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module.NamesFlow


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("self.rwos*8", "did you mean 'self.rows'"),
        ("len(self.row)", "did you mean 'self.rows'"),
        ("self.alhpa", "did you mean 'self.alpha'"),
        ("self.siez()", "did you mean 'self.size'"),
        ("self.rows and self.xyzzy", "There are: alpha, limit, rows, size."),
    ],
)
def test_a_typo_is_refused(tmp_path: Path, expression: str, meant: str) -> None:
    """An attribute that nothing in the flow makes ends the command, with what may have been meant."""
    with pytest.raises(SettingError) as told:
        check_input_size(flow_class(tmp_path), expression)
    assert meant in str(told.value)


def test_the_option_itself_makes_no_name(tmp_path: Path) -> None:
    """The misspelt word stands in the flow's file, too: as the option that is being checked."""
    named = flow_class(tmp_path, before="def deco(**_):\n    return lambda f: f\nwrong = deco(input_size='rwos')")
    with pytest.raises(SettingError, match=r"self\.rwos"):
        check_input_size(named, "self.rwos")


@pytest.mark.parametrize(
    "expression",
    [
        *("self.rows", "self.alpha * self.limit", "self.size()", "self.input", "self.index", "self._graph", "5"),
        *("len('x')", "hasattr(self, 'big') and self.big", "getattr(self, 'big', 1)", "inputs[0].big"),
    ],
)
def test_what_the_flow_has_is_taken(tmp_path: Path, expression: str) -> None:
    """Parameters, class attributes, methods, artifacts, Metaflow's own names, and what asks before it looks."""
    check_input_size(flow_class(tmp_path), expression)


@pytest.mark.parametrize(
    "body",
    [
        "self.big: int = 3",
        "self.other, self.big = 1, 2",
        "for self.big in range(3): pass",
        "self.big += 1",
        "[0 for self.big in range(3)]",
        "setattr(self, 'b' + 'ig', 1)",
        "setattr(self, 'big', 1)",
        "self.__dict__.update(dict(big=1))",
        "vars(self).update(big=1)",
        "exec('self.b' + 'ig = 1')",
        "fill(self)",
        "fill(flow=self)",
        "fill(*[self])",
        "me = self; me.big = 3",
        "other = self",
    ],
)
def test_any_way_to_make_it_is_believed(tmp_path: Path, body: str) -> None:
    """Loops, unpacking, ``setattr``, and functions that are handed the flow: no false alarm."""
    check_input_size(flow_class(tmp_path, body, before="def fill(*_, **__): pass"), "self.big")


@pytest.mark.parametrize(
    ("before", "bases"),
    [
        ("class Mixin:\n    def more(self):\n        self.big = 1", "Mixin, "),
        ("class Mixin:\n    big: int", "Mixin, "),
        ("class Mixin:\n    def more(this):\n        fill(this)", "Mixin, "),
        ("class Mixin:\n    def __getattr__(self, name):\n        raise AttributeError(name)", "Mixin, "),
        ("VAR = 'big'", ""),
        ("Mixin = type('Mixin', (), {'__module__': 'gone'})", "Mixin, "),
    ],
)
def test_what_is_inherited_or_named_elsewhere_is_believed(tmp_path: Path, before: str, bases: str) -> None:
    """Base classes count, as do strings (``@catch(var=VAR)``); of a class without a source nothing is known."""
    check_input_size(flow_class(tmp_path, before=before, bases=bases), "self.big")


def test_an_option_of_another_decorator_is_believed(tmp_path: Path) -> None:
    """``--with catch:var=failure`` makes an artifact whose name stands nowhere in the flow."""
    from metaflow.plugins.catch_decorator import CatchDecorator

    flow = flow_class(tmp_path)
    with pytest.raises(SettingError):
        check_input_size(flow, "self.failure")
    vars(flow)["start"].decorators.append(CatchDecorator(attributes={"var": "failure"}))
    check_input_size(flow, "self.failure")
