"""Where a flow's file asks for resources: its class, its steps, and Metaflow's decorators above them. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import SourceError
from resource_tracker.source_text import SourceText

DECORATORS = ("resources", "batch", "kubernetes")
_QUOTED_NUMBER = re.compile(r"""(['"])[0-9][0-9_.]*\1""")
_Method: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A keyword argument: where it and its value stand.

    ``number`` is what it asks for where that is a plain number, ``None`` where it says ``None``; with ``plain`` False
    it is an expression that only the running flow knows.
    """

    name: str
    start: int
    end: int
    value_start: int
    value_end: int
    plain: bool
    number: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decorator:
    """One of :data:`DECORATORS` above a step.

    ``name`` is Metaflow's name of it, ``written`` the file's. ``end`` is where ``)`` ends, ``called`` False where there
    are no parentheses. With ``open_ended`` True, it has positional arguments or ``**``: more may be asked for than its
    arguments say.
    """

    name: str
    written: str
    line: int
    name_end: int
    end: int
    called: bool
    open_ended: bool
    arguments: tuple[Argument, ...]

    def argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.arguments if argument.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSource:
    """A step's method.

    ``shared`` is the base class that it stands in, where other flows of the file inherit it too. ``again_in`` are the
    lines of more methods of that name in its class, as in both branches of an ``if``: nobody can tell which one runs.
    """

    name: str
    line: int
    decorators: tuple[Decorator, ...]
    shared: str | None = None
    again_in: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSource:
    """A flow's file.

    ``inherits`` names the base classes that stand in other files, which may hold more steps; ``knows_resources`` tells
    whether the file imports Metaflow's ``@resources``, by whatever name.
    """

    source: SourceText
    flow: str
    steps: Mapping[str, StepSource]
    inherits: tuple[str, ...] = ()
    knows_resources: bool = True


def read_flow(source: SourceText, flow_name: str) -> FlowSource:
    """Find a flow's methods in its file, those that it inherits from classes of the same file included.

    Raises
    ------
    SourceError
        The file is not Python, or has no such class, or more than one.
    """
    tree = source.parse()
    classes: dict[str, list[ast.ClassDef]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            classes.setdefault(node.name, []).append(node)
    found = classes.get(flow_name, [])
    if not found:
        others = ", ".join(name for name in classes) or "no class at all"
        raise SourceError(f"{source.name} does not define the flow {flow_name}; it has {others}")
    if len(found) > 1:
        lines = " and ".join(str(node.lineno) for node in found)
        raise SourceError(f"{source.name} defines {flow_name} more than once, in lines {lines}: which one runs?")
    names = _Names(tree)
    unique = {name: nodes[0] for name, nodes in classes.items() if len(nodes) == 1}
    family, elsewhere = _family(found[0], unique, names)
    steps: dict[str, StepSource] = {}
    for node in reversed(family):  # what a class defines itself hides what it inherits
        shared = node.name if _is_shared(node, found[0], unique, names) else None
        methods: dict[str, list[_Method]] = {}
        for method in _methods(node):
            methods.setdefault(method.name, []).append(method)
        for found_methods in methods.values():
            step = _step(source, found_methods, names, shared)
            steps[step.name] = step
    return FlowSource(
        source=source, flow=flow_name, steps=steps, inherits=elsewhere, knows_resources=names.know_resources
    )


class _Names:
    """What a file calls Metaflow, and Metaflow's decorators."""

    def __init__(self, tree: ast.Module) -> None:
        self._modules: set[str] = set()
        self._decorators: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._modules.update(alias.asname or alias.name for alias in node.names if alias.name == "metaflow")
            elif isinstance(node, ast.ImportFrom) and node.module == "metaflow" and not node.level:
                for alias in node.names:
                    names = (*DECORATORS, "FlowSpec") if alias.name == "*" else (alias.name,)
                    self._decorators |= {alias.asname or name: name for name in names}

    @property
    def know_resources(self) -> bool:
        return bool(self._modules) or "resources" in self._decorators.values()

    def meant(self, node: ast.expr) -> str | None:
        """Metaflow's name of what an expression names; ``None`` where it is not Metaflow's."""
        if isinstance(node, ast.Name):
            return self._decorators.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self._modules:
            return node.attr
        return None


def _family(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], names: _Names
) -> tuple[list[ast.ClassDef], tuple[str, ...]]:
    """The class and its bases in the file, nearest first, and the bases elsewhere but Metaflow's own."""
    elsewhere: list[str] = []

    def ancestors(current: ast.ClassDef, path: tuple[ast.ClassDef, ...]) -> Iterator[ast.ClassDef]:
        yield current
        for base in current.bases:
            known = classes.get(base.id) if isinstance(base, ast.Name) else None
            if known is not None and known not in path:
                yield from ancestors(known, (*path, known))
            elif names.meant(base) != "FlowSpec" and not (isinstance(base, ast.Name) and base.id == "object"):
                elsewhere.append(ast.unparse(base))

    found = list(ancestors(node, (node,)))
    # as Python does: a common base comes after all that derive from it
    family = [each for position, each in enumerate(found) if each not in found[position + 1 :]]
    return family, tuple(dict.fromkeys(elsewhere))


def _is_shared(node: ast.ClassDef, flow: ast.ClassDef, classes: Mapping[str, ast.ClassDef], names: _Names) -> bool:
    """Whether another class of the file inherits the one that is not the flow's own."""
    if node is flow:
        return False
    own, _ = _family(flow, classes, names)
    others = (other for other in classes.values() if other not in own)
    return any(node in _family(other, classes, names)[0] for other in others)


def _methods(node: ast.ClassDef) -> Iterator[_Method]:
    """Methods of a class, those under an ``if`` or ``try`` included; not those of classes in it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, _Method):
            yield current
        elif not isinstance(current, ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(current))


def _step(source: SourceText, methods: list[_Method], names: _Names, shared: str | None) -> StepSource:
    first, *more = sorted(methods, key=lambda method: method.lineno)
    decorators = tuple(
        _decorator(source, node, name)
        for node in first.decorator_list
        if (name := names.meant(node.func if isinstance(node, ast.Call) else node)) in DECORATORS
    )
    return StepSource(
        name=first.name,
        line=first.lineno,
        decorators=decorators,
        shared=shared,
        again_in=tuple(method.lineno for method in more),
    )


def _decorator(source: SourceText, node: ast.expr, name: str) -> Decorator:
    function = node.func if isinstance(node, ast.Call) else node
    call = node if isinstance(node, ast.Call) else None
    keywords = call.keywords if call else []
    return Decorator(
        name=name,
        written=ast.unparse(function),
        line=node.lineno,
        name_end=source.span(function)[1],
        end=source.span(node)[1],
        called=call is not None,
        open_ended=call is not None and bool(call.args or any(keyword.arg is None for keyword in keywords)),
        arguments=tuple(_argument(source, keyword, keyword.arg) for keyword in keywords if keyword.arg is not None),
    )


def _argument(source: SourceText, keyword: ast.keyword, name: str) -> Argument:
    start, end = source.span(keyword)
    value_start, value_end = source.span(keyword.value)
    plain, number = _number(keyword.value, source.text[value_start:value_end])
    return Argument(
        name=name, start=start, end=end, value_start=value_start, value_end=value_end, plain=plain, number=number
    )


def _number(node: ast.expr, written: str) -> tuple[bool, float | None]:
    """Whether it is a plain number, also one in quotes as Metaflow takes it, and which."""
    value = node.value if isinstance(node, ast.Constant) else ...
    if value is None:
        return True, None
    if isinstance(value, str) and _QUOTED_NUMBER.fullmatch(written):
        try:
            return True, float(value)
        except ValueError:
            return False, None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return True, float(value)
    return False, None
