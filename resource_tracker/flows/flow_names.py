"""Whether ``input_size=`` names attributes that the flow has, told from its source before anything runs.

A name is refused only where nothing could make it: whatever else might set an attribute counts as doing so.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from resource_tracker.errors import SettingError
from resource_tracker.size_expression import attributes_of_self

_SETTING = frozenset({"setattr", "__setattr__", "__dict__", "__getattr__", "__getattribute__", "vars", "exec", "eval"})
"""Where one of these stands in the source, attributes may come from anywhere."""
_ONLY_LOOKING = frozenset(
    {"getattr", "hasattr", "isinstance", "len", "print", "repr", "str", "id", "type", "super", "dir", "iter", "sorted"}
)
"""What may be called with the flow itself without giving it attributes."""
_MOST_LISTED = 12


def check_input_size(flow: Any, expression: str) -> None:
    """Refuse an expression with a ``self.NAME`` that the flow has not, and that nothing in it could make.

    Parameters
    ----------
    flow : metaflow.FlowSpec
        The flow, or its class.
    expression : str
        A checked ``input_size``: the name of an attribute is ``self.NAME`` by now.

    Raises
    ------
    SettingError
        The message lists the flow's names, and what may have been meant.
    """
    flow_class = flow if inspect.isclass(flow) else type(flow)
    missing = sorted(
        name for name in attributes_of_self(expression) if not name.startswith("_") and not hasattr(flow_class, name)
    )
    if not missing:
        return
    sources = _sources(flow_class)
    if sources is None or _has_other_decorators(flow_class):
        return
    # Plain text first: this runs in every call of the flow's command line, and parsing takes milliseconds.
    missing = [name for name in missing if not any(_is_assigned_plainly(name, source) for source in sources)]
    if not missing:
        return
    try:
        nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError):
        return
    if _may_come_from_elsewhere(nodes):
        return
    made = _names_made(nodes) | _named_by_decorators(flow_class)
    for name in missing:
        if name not in made:
            raise SettingError(_message(flow_class, expression, name, nodes))


def _sources(flow_class: type) -> list[str] | None:
    """The files of the flow and of the classes that it is derived from; ``None`` where one cannot be read."""
    files = {}
    for cls in flow_class.__mro__:
        if cls.__module__ == "builtins" or cls.__module__.split(".")[0] == "metaflow":
            continue
        try:
            path = inspect.getfile(cls)
            files[path] = Path(path).read_text(encoding="utf-8")
        except (OSError, TypeError, ValueError):
            return None
    return list(files.values())


def _steps(flow_class: type) -> list[Any]:
    values = (value for cls in flow_class.__mro__ for value in vars(cls).values())
    return [value for value in values if hasattr(value, "is_step")]


def _has_other_decorators(flow_class: type) -> bool:
    """Whether a step has one of Metaflow's user-defined decorators or mutators, which may set attributes."""
    return any(
        getattr(step, "wrappers", None) or getattr(step, "config_decorators", None) for step in _steps(flow_class)
    )


def _named_by_decorators(flow_class: type) -> set[str]:
    """Strings given to the steps' decorators, also to those of ``--with``: ``catch:var=error``."""
    others = (deco for step in _steps(flow_class) for deco in getattr(step, "decorators", ()))
    attributes = (deco.attributes for deco in others if getattr(deco, "name", "") != "track_resources")
    return {value for given in attributes for value in given.values() if isinstance(value, str)}


def _is_assigned_plainly(name: str, source: str) -> bool:
    return re.search(rf"\.{name}\s*=(?!=)", source) is not None


def _may_come_from_elsewhere(nodes: list[ast.AST]) -> bool:
    """Whether attributes may be set by name, or by something that is handed the flow."""
    return any(_makes_any_name(node) for node in nodes) or _is_handed_on(nodes)


def _makes_any_name(node: ast.AST) -> bool:
    if isinstance(node, (ast.Name, ast.Attribute, ast.FunctionDef)):
        return _name_of(node) in _SETTING
    if not isinstance(node, ast.ClassDef):
        return False
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.args.args]
    return (
        bool(node.keywords)
        or any(_name_of(decorator) not in _OF_CLASSES for decorator in node.decorator_list)
        or any(method.args.args[0].arg not in ("self", "cls") for method in methods)
    )


def _is_handed_on(nodes: list[ast.AST]) -> bool:
    """Whether ``self`` stands anywhere but before a point or in a call that only looks at it."""
    harmless = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    looking = (node for node in nodes if isinstance(node, ast.Call) and _name_of(node) in _ONLY_LOOKING)
    harmless |= {id(value) for call in looking for value in call.args}
    return any(isinstance(node, ast.Name) and node.id == "self" and id(node) not in harmless for node in nodes)


_OF_CLASSES = frozenset(
    {"project", "schedule", "trigger", "trigger_on_finish", "conda_base", "pypi_base", "exit_hook", "dataclass"}
)
"""Decorators that do not add to a flow; any other one may."""


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return next((getattr(node, field) for field in ("id", "attr", "name") if hasattr(node, field)), "")


def _names_made(nodes: list[ast.AST]) -> set[str]:
    """Attributes that are assigned or declared in any way, and every string: ``@catch(var="error")`` makes one."""
    own = {id(node.value) for node in nodes if isinstance(node, ast.keyword) and node.arg == "input_size"}
    strings = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own
    }
    declared = {
        node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return strings | declared | _assigned(nodes)


def _assigned(nodes: list[ast.AST]) -> set[str]:
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}


def _message(flow_class: type, expression: str, name: str, nodes: list[ast.AST]) -> str:
    from difflib import get_close_matches  # only for a message

    own = {other for cls in flow_class.__mro__ if not cls.__module__.startswith("metaflow") for other in vars(cls)}
    steps = {step.__name__ for step in _steps(flow_class)}
    known = sorted(other for other in (own | _assigned(nodes)) - steps if not other.startswith("_"))
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    meant = f": did you mean 'self.{close[0]}'?" if close else "."
    listed = ", ".join(known[:_MOST_LISTED]) + (", ..." if len(known) > _MOST_LISTED else "")
    return (
        f"@track_resources: input_size={expression!r} names self.{name}, but {flow_class.__name__} has no such "
        f"attribute{meant}" + (f" There are: {listed}." if listed else "")
    )
