"""The page templates: their Jinja2 environment, and their compiled form.

Compiling them takes 30 ms, in the time of every step that writes a card. So the package is built with
``report/compiled.py``, which :func:`compile_templates` makes; a template in it is used where Jinja2's version and the
template's text are those that it was made from. Otherwise, and where it is missing, the text is compiled as usual.
"""

from __future__ import annotations

import re
import textwrap
import zlib
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from importlib import import_module
from pkgutil import get_data
from typing import Any

import jinja2

NAMES = ("base.html.j2", "card.html.j2", "error.html.j2", "parts.html.j2", "review.html.j2", "review_parts.html.j2")
_COMPILED = "resource_tracker.report.compiled"
_HEAD = '''"""The page templates as Jinja2 compiles them, made by setup.py: neither to be edited nor to be committed."""

# mypy: ignore-errors
'''


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """What renders pages: everything is escaped, and a name that is missing is an error."""
    return _environment(_Loader())


def _environment(loader: jinja2.BaseLoader | None) -> jinja2.Environment:
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


class _Loader(jinja2.BaseLoader):
    """Templates of this package, wherever it lies; compiled ones where they fit."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, None, None]:
        return _text(template), None, None

    def load(
        self, environment: jinja2.Environment, name: str, globals: MutableMapping[str, Any] | None = None
    ) -> jinja2.Template:
        compiled = _compiled().get((name, jinja2.__version__, _checksum(_text(name))))
        if compiled is None:
            return super().load(environment, name, globals)
        module = {**compiled(environment), "__file__": f"<{name}>"}
        return environment.template_class.from_module_dict(environment, module, globals or {})


def _text(name: str) -> str:
    try:
        data = get_data("resource_tracker.report", f"templates/{name}")
    except OSError:
        data = None
    if data is None:
        raise jinja2.TemplateNotFound(name)
    return re.sub(r"\n +", "\n", data.decode("utf-8"))  # indented for us, not for browsers


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8"))


def _compiled() -> dict[tuple[str, str, int], Callable[[jinja2.Environment], dict[str, Any]]]:
    """What makes a template's module, by its name, Jinja2's version and the text's checksum."""
    try:
        found: dict[tuple[str, str, int], Callable[[jinja2.Environment], dict[str, Any]]]
        found = import_module(_COMPILED).TEMPLATES
    except ImportError:
        return {}
    return found


def compile_templates() -> str:
    """The source of ``report/compiled.py``: a function for each template, which returns its module's names."""
    parts, entries = [_HEAD], []
    for number, name in enumerate(NAMES):
        text = _text(name)
        code = _environment(None).compile(text, name, name, raw=True)
        parts.append(f"\n\ndef template_{number}(environment):\n{textwrap.indent(code, '    ')}\n    return locals()\n")
        entries.append(f"    ({name!r}, {jinja2.__version__!r}, {_checksum(text)}): template_{number},\n")
    return "".join([*parts, "\n\nTEMPLATES = {\n", *entries, "}\n"])
