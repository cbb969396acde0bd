"""Checks of the decorator against the flow that it decorates, before anything runs."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from resource_tracker.errors import SettingError


def check_artifact_name(flow: Any, name: str) -> None:
    """Refuse a name that the flow already uses for something else.

    Parameters
    ----------
    flow : metaflow.FlowSpec
        The flow, or its class.
    name : str
        What the user asked for with ``artifact_name=``.

    Raises
    ------
    SettingError
        The name belongs to a parameter, a class attribute or method, or to an artifact that the
        flow's source assigns as ``self.NAME =``.
    """
    flow_class = flow if inspect.isclass(flow) else type(flow)
    if hasattr(flow_class, name):
        kind = _kind_of(getattr(flow_class, name))
        raise SettingError(
            f"@track_resources: artifact_name={name!r} clashes with the {kind} {name!r} of "
            f"{flow_class.__name__}: choose a name that the flow does not use."
        )
    line = assigned_at(flow_class, name)
    if line is not None:
        raise SettingError(
            f"@track_resources: artifact_name={name!r} clashes with 'self.{name} =' in line {line} of the flow: "
            f"choose a name that the flow does not use."
        )


def check_prices_of(vendor: str | None, region: str | None, *, live: bool) -> None:
    """Refuse a vendor or region that there are no prices for; a catalog that cannot be read refuses nothing.

    Raises
    ------
    SettingError
        The message lists those there are.
    """
    from resource_tracker.catalog import load_bundled
    from resource_tracker.errors import CatalogError
    from resource_tracker.places import check_name, check_place

    try:
        catalog = load_bundled()
        if vendor is None or not live:
            check_place(catalog, vendor, region, "@track_resources")
            return
    except CatalogError:
        return  # the card will say so
    check_name("vendor", vendor, list(catalog.open_regions), "@track_resources")
    if region is not None:
        check_name(f"{vendor} region", region, catalog.names_of_regions(vendor), "@track_resources")
    elif vendor not in catalog.vendors():
        known = ", ".join(catalog.open_regions[vendor])
        raise SettingError(f"@track_resources: vendor={vendor!r} needs a region: there are {known}")


def assigned_at(flow_class: type, name: str) -> int | None:
    """Line at which a file of the flow, or of a class that it is derived from, assigns ``self.NAME``; or ``None``.

    A file is parsed only where the name occurs in it: this runs in every call of the flow's command line.
    """
    found = [_assigned_in(cls, name) for cls in flow_class.__mro__ if not cls.__module__.startswith("metaflow.")]
    return next((line for line in found if line is not None), None)


def _assigned_in(cls: type, name: str) -> int | None:
    try:
        source = Path(inspect.getfile(cls)).read_text(encoding="utf-8", errors="replace")
        if name not in source:
            return None
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    ]
    return min(lines, default=None)


def _kind_of(value: object) -> str:
    from metaflow.parameters import Parameter

    if isinstance(value, Parameter):
        return "parameter"
    if hasattr(value, "is_step"):
        return "step"
    return "method" if callable(value) else "class attribute"
