"""Imports point down only: every module has a layer, and imports from its own or a lower one.

Read from the sources, so that imports within functions count too. Those under ``if TYPE_CHECKING`` do not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("resource_tracker", "metaflow_extensions")
PLUGINS = "metaflow_extensions.resource_tracker"

LAYERS: tuple[tuple[str, frozenset[str]], ...] = (
    ("values", frozenset({"columns", "errors", "units"})),
    (
        "records",
        frozenset({"dataclass", "frame", "frame_figures", "frame_io", "frame_merge", "frame_text", "options"})
        | {"plain", "records"},
    ),
    (
        "core",
        frozenset(
            {
                "bounds",
                "catalog_model",
                "core_use",
                "cost_model",
                "costs",
                "damping",
                "decorator_edits",
                "endings",
                "remedies",
                "flow_source",
                "held_back",
                "history",
                "machines",
            }
            | {
                "lost_attempts",
                "memory_need",
                "memory_warning",
                "needs",
                "gpu_notes",
                "gpu_use",
                "input_notes",
                "notes",
                "places",
                "plausible",
                "pricing",
                "projections",
                "recommend",
                "review",
                "review_changes",
                "review_costs",
                "review_records",
                "run_attempts",
                "savings",
                "settings",
                "size_expression",
                "observation",
                "replay",
                "lower_bound",
                "outlook",
                "sizing",
            }
            | {"source_diff", "source_text", "spans", "step_advice", "suggestions", "summary", "summary_bounds"}
            | {"explanation", "shortages", "usage", "waste", "why", "why_stopped"}
        ),
    ),
    (
        "edges",
        frozenset(
            {
                "__version__",
                "artifact",
                "attached",
                "build",
                "bundled",
                "catalog",
                "catalog_file",
                "cloud",
                "cloud_cache",
                "cloud_finding",
                "cloud_probe",
                "cloud_vendors",
                "ecs",
                "schedulers",
                "folders",
                "host",
                "host_limits",
                "keeper",
                "keeper_cache",
                "in_log",
                "latest",
                "launch",
                "marks",
                "keeper_http",
                "keeper_reply",
                "live_cores",
                "live_pricing",
                "measured",
                "measured_cores",
                "measured_cost",
                "measured_gpus",
                "metadata_service",
                "private_dir",
                "sampler",
                "scene",
                "scene_words",
                "spool_dirs",
                "spool_follow",
                "systems",
                "start_end",
                "starting",
                "step_resources",
                "task_usage",
                "timeline",
                "trace_file",
                "tracker",
            }
        ),
    ),
    ("outlets", frozenset({"export", "flows", "report", "report_file", "training"})),
    (
        "entrances",
        frozenset({"", "__main__", "api", "cli", "metaflow_extensions", "record_views", "standalone", "testing"}),
    ),
)
"""From the bottom: modules and folders directly below ``resource_tracker`` (``""`` is its own ``__init__``)."""

PURE = frozenset.union(*(names for layer, names in LAYERS if layer in ("values", "records", "core")))
BANNED_IN_PURE = frozenset(
    {"jinja2", "metaflow", "os", "psutil", "pynvml", "requests", "signal", "socket", "subprocess", "tempfile"}
    | {"threading", "time", "urllib"}
)
SAMPLER_STANDARD = frozenset(
    {"sys", "os", "time", "array", "struct", "select", "errno", "ctypes", "fcntl", "math"}
    | {"signal", "_signal", "_thread"}
)
SAMPLER_OPTIONAL = {"psutil": "psutil", "pynvml": "gpu"}
"""Third-party libraries of the sampler, and a word that the only modules which may import them have in their name."""
OWNERS = {"jinja2": ("report",), "metaflow": ("flows", "metaflow_extensions", "training")}
"""The only places that may import them, at any depth of the code."""
HEAVY = frozenset({"jinja2", "markupsafe", "numpy", "pandas", "psutil", "pyarrow", "pynvml", "requests", "rich"})


@dataclass(frozen=True)
class Import:
    """One import: who imports what, where, and whether on being imported itself."""

    module: str
    imported: str
    line: int
    at_top: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def imports_of(module: str, source: str, is_package: bool, modules: frozenset[str]) -> list[Import]:
    """Every import of a source, as absolute names of modules."""
    found: list[Import] = []

    def visit(node: ast.AST, at_top: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for child in node.orelse:
                visit(child, at_top)
            return
        if isinstance(node, ast.Import):
            # the package alone brings in nothing, see test_package_imports_nothing; it is imported for its version
            names = [alias.name for alias in node.names if alias.name != "resource_tracker"]
            found.extend(Import(module, name, node.lineno, at_top) for name in names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, is_package, node)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                is_module = name in modules or name == "resource_tracker.__version__"  # looked up as modules are
                found.append(Import(module, name if is_module else base, node.lineno, at_top))
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, at_top and not inside)

    visit(ast.parse(source), True)
    return found


def absolute(module: str, is_package: bool, node: ast.ImportFrom) -> str:
    """The module that ``from X import ...`` names, dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def all_imports() -> list[Import]:
    known = frozenset(SOURCES)
    return [
        found
        for module, path in SOURCES.items()
        for found in imports_of(module, path.read_text(encoding="utf-8"), path.name == "__init__.py", known)
    ]


IMPORTS = all_imports()


def is_ours(module: str) -> bool:
    return module.split(".")[0] == "resource_tracker" or module.startswith(PLUGINS)


def place_of(module: str) -> str:
    """The name that :data:`LAYERS` lists a module of ours under."""
    if module.split(".")[0] == "metaflow_extensions":
        return "metaflow_extensions"
    return module.split(".")[1] if "." in module else ""


def layer_of(module: str) -> int | None:
    place = place_of(module)
    return next((number for number, (_, names) in enumerate(LAYERS) if place in names), None)


def upward(imports: list[Import]) -> Iterator[str]:
    for found in imports:
        own, theirs = layer_of(found.module), layer_of(found.imported)
        if is_ours(found.imported) and own is not None and theirs is not None and theirs > own:
            yield f"{found}: from {LAYERS[own][0]} up to {LAYERS[theirs][0]}"


def impure(imports: list[Import]) -> Iterator[str]:
    for found in imports:
        is_pure = found.module.startswith("resource_tracker.") and place_of(found.module) in PURE
        if is_pure and found.imported.split(".")[0] in BANNED_IN_PURE:
            yield f"{found}: not in the pure core"


def foreign_to_sampler(imports: list[Import]) -> Iterator[str]:
    for found in imports:
        if place_of(found.module) != "sampler":
            continue
        top = found.imported.split(".")[0]
        if top == "resource_tracker":
            allowed = place_of(found.imported) in {"sampler", *LAYERS[0][1]}
        else:
            allowed = top in SAMPLER_STANDARD or SAMPLER_OPTIONAL.get(top, "\0") in found.module
        if not allowed:
            yield f"{found}: not in the sampler"


def trespassing(imports: list[Import]) -> Iterator[str]:
    for found in imports:
        owners = OWNERS.get(found.imported.split(".")[0])
        if owners is not None and place_of(found.module) not in owners:
            yield f"{found}: only in {' and '.join(owners)}"


def heavy_at_import(start: str, imports: list[Import]) -> Iterator[str]:
    """What importing `start` loads of :data:`HEAVY`, with the way there."""
    ways = {start: start}
    queue = [start]
    while queue:
        module = queue.pop()
        for found in (i for i in imports if i.module == module and i.at_top):
            if found.imported.split(".")[0] in HEAVY:
                yield f"{ways[module]} -> {found.imported}"
            parts = found.imported.split(".")
            for name in (".".join(parts[:depth]) for depth in range(1, len(parts) + 1)):
                if is_ours(name) and name not in ways:
                    ways[name] = f"{ways[module]} -> {name}"
                    queue.append(name)


def test_every_module_has_a_layer() -> None:
    """A new module is given its layer on purpose, in this file."""
    assert [module for module in SOURCES if layer_of(module) is None] == []


def test_imports_point_down() -> None:
    """No module imports from a layer above its own, within functions neither."""
    assert list(upward(IMPORTS)) == []


def test_no_cycles() -> None:
    """No two modules need each other, even through others or within functions."""
    graph: dict[str, set[str]] = {module: set() for module in SOURCES}
    for found in IMPORTS:
        if found.imported in graph and found.imported != found.module:
            graph[found.module].add(found.imported)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_core_is_pure() -> None:
    """The core knows no clock, file system, process or network."""
    assert list(impure(IMPORTS)) == []


def test_sampler_stays_small() -> None:
    """The sampler imports its own modules, columns, errors and units, and a few modules of the standard library."""
    assert list(foreign_to_sampler(IMPORTS)) == []


def test_values_import_nothing() -> None:
    """What the sampler imports of ours brings in nothing but ``math``."""
    values = [found for found in IMPORTS if place_of(found.module) in LAYERS[0][1]]
    assert {found.imported for found in values} <= {"math"}


def test_metaflow_and_jinja_have_one_place() -> None:
    """Metaflow is imported by flows, training and the extension only, Jinja2 by report only."""
    assert list(trespassing(IMPORTS)) == []


def test_package_imports_nothing() -> None:
    """``import resource_tracker`` loads no other module: public names are looked up when used."""
    assert [str(found) for found in IMPORTS if found.module == "resource_tracker" and found.at_top] == []


@pytest.mark.parametrize("module", [module for module in SOURCES if module.startswith("metaflow_extensions")])
def test_plugins_load_nothing_heavy(module: str) -> None:
    """``import metaflow`` imports our plugins: neither they nor what they import load a template engine or the like."""
    assert list(heavy_at_import(module, IMPORTS)) == []


@pytest.mark.parametrize(
    ("module", "source", "check"),
    [
        ("resource_tracker.usage", "from resource_tracker.artifact import x", upward),
        ("resource_tracker.usage", "def f():\n    import resource_tracker.cli.show", upward),
        ("resource_tracker.artifact", "from resource_tracker import tracker, report", upward),
        ("resource_tracker.records", "from .history import History", upward),
        ("resource_tracker.report.model", "from ..api import ResourceTracker", upward),
        ("resource_tracker.history", "from resource_tracker import TinyDataFrame", upward),
        ("resource_tracker.recommend", "import os.path", impure),
        ("resource_tracker.frame", "def f():\n    from time import time", impure),
        ("resource_tracker.sampler.main", "import json", foreign_to_sampler),
        ("resource_tracker.sampler.main", "import psutil", foreign_to_sampler),
        ("resource_tracker.sampler.main", "from resource_tracker.records import Limits", foreign_to_sampler),
        ("resource_tracker.build", "class A:\n    def f(self):\n        import metaflow.cards", trespassing),
        ("resource_tracker.flows.session", "import jinja2", trespassing),
    ],
)
def test_each_rule_finds_its_fault(module: str, source: str, check: object) -> None:
    """The rules of this file are no dead letter: each finds a fault made for it, by its line."""
    known = frozenset({*SOURCES, "resource_tracker.tracker", "resource_tracker.api"})
    (fault,) = check(imports_of(module, source, False, known))  # type: ignore[operator]
    assert fault.startswith(f"{module}:{source.count(chr(10)) + 1} imports ")


def test_type_checking_imports_are_left_out() -> None:
    """An import for the type checker only is none; the other branch is one."""
    source = "if TYPE_CHECKING:\n    import os\nelse:\n    import sys\n"
    assert [i.imported for i in imports_of("resource_tracker.usage", source, False, frozenset())] == ["sys"]


def test_heavy_imports_are_found_through_others() -> None:
    """A heavy library is found over two modules and over a package's ``__init__``, not within functions."""
    known = frozenset({"resource_tracker.a", "resource_tracker.b", "resource_tracker.b.c"})
    sources = {
        "resource_tracker.a": "import resource_tracker.b.c",
        "resource_tracker.b": "import requests",
        "resource_tracker.b.c": "def f():\n    import jinja2",
    }
    imports = [i for module, source in sources.items() for i in imports_of(module, source, False, known)]
    assert list(heavy_at_import("resource_tracker.a", imports)) == [
        "resource_tracker.a -> resource_tracker.b -> requests"
    ]
