"""The user's own ``input_size=``: what may be written, checked before anything runs. Pure.

It is no sandbox: an expression runs in the user's task with the user's rights, like a line of the step. The short list
of names is there so that a mistake shows when the flow is started, not in the middle of the night.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import keyword
import math
from collections.abc import Callable
from typing import Any

from resource_tracker.errors import SettingError

InputSizeOption = str | float | Callable[..., Any] | None
"""Nothing; an expression; a number of bytes; a function of the flow, or of the flow and the inputs of a join."""

BUILTINS = (
    *("abs", "all", "any", "bool", "dict", "enumerate", "filter", "float", "getattr", "hasattr", "int", "isinstance"),
    *("len", "list", "map", "max", "min", "range", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip"),
)
"""Functions of Python that an expression may name. ``True``, ``False`` and ``None`` are no names."""
NAMES = ("self", "inputs", "os", "math")
"""What an expression may name besides."""
MAX_CHARS = 500

ALLOWED = (
    "a number of bytes, the name of an attribute of the flow such as 'n_bytes', an expression of self such as "
    "'self.table.nbytes' or 'os.path.getsize(self.path)', or a function of the flow such as lambda self: self.n"
)


def input_size_of(value: object, origin: str) -> InputSizeOption:
    """What a user gave as ``input_size``, checked; the name of an attribute becomes an expression of ``self``.

    Parameters
    ----------
    origin : str
        Where it was given, for the message: ``"@track_resources"``.

    Raises
    ------
    SettingError
        It is something else, is no expression, names what is not there, or is a function that cannot be called with
        the flow.
    """
    if value is None:
        return None
    why = None
    if isinstance(value, str):
        text = value.strip()
        if text.isidentifier() and not keyword.iskeyword(text) and text not in (*NAMES, *BUILTINS):
            return f"self.{text}"
        why = _why_no_expression(text)
        if why is None:
            return text
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and value >= 0:
            return value
    elif callable(value):
        if takes(value) is not None:
            return value
        why = "it cannot be called with the flow alone, nor with the flow and the inputs of a join"
    reason = f" ({why})" if why else ""
    raise SettingError(f"{origin}: input_size={value!r} cannot be used{reason}: give {ALLOWED}.")


def takes(function: Callable[..., Any]) -> int | None:
    """How many values to call a function with: 1, the flow; 2, the flow and its inputs; ``None`` if neither works."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some of C have none
        return 1
    for count in (1, 2):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return count
    return None


def name_of(option: InputSizeOption) -> str | None:
    """How an option is called where its sizes are kept: only those of the same name compare."""
    if option is None or isinstance(option, str):
        return option
    if isinstance(option, (int, float)):
        return "a constant"
    return f"{getattr(option, '__qualname__', type(option).__qualname__)}()"[:MAX_CHARS]


def evaluate(text: str, names: dict[str, Any]) -> Any:
    """The value of an expression; `names` are those of :data:`NAMES`. Raises whatever the expression raises."""
    allowed = {name: getattr(builtins, name) for name in BUILTINS}
    # As globals: what stands in a comprehension sees no locals.
    return eval(_compiled(text), {"__builtins__": allowed, "__name__": "input_size", **names})  # noqa: S307


def attributes_of_self(text: str) -> set[str]:
    """The ``NAME`` of each ``self.NAME`` that an expression reads; none of one that asks whether it is there."""
    nodes = list(ast.walk(ast.parse(text, mode="eval")))
    if any(isinstance(node, ast.Name) and node.id == "hasattr" for node in nodes):
        return set()
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def _compiled(text: str) -> Any:
    return compile(text, "<input_size>", "eval")


def _why_no_expression(text: str) -> str | None:
    if len(text) > MAX_CHARS:
        return f"it is longer than {MAX_CHARS} characters: write a function"
    try:
        tree = ast.parse(text, mode="eval")
        _compiled(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # ValueError: a null byte
        return f"it is no Python expression: {getattr(error, 'msg', None) or error}"
    nodes = list(ast.walk(tree))
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    unknown = sorted(used - bound - {*NAMES, *BUILTINS})
    if unknown:
        return f"it names {', '.join(map(repr, unknown))}, and may name {', '.join(NAMES)} and {', '.join(BUILTINS)}"
    return None
