"""The runs of a flow before one of them."""

from __future__ import annotations

from typing import Any


def runs_before(provider: Any, flow_name: str, run_id: str) -> list[tuple[str, float | None]]:
    """Earlier runs of whoever ran this one, newest first, with the times at which they began."""
    runs = provider.get_object("flow", "run", {}, None, flow_name) or []
    this = next((run for run in runs if _id(run) == run_id), None)
    if this is None:
        return []
    at, tags = this.get("ts_epoch") or 0, _owner(this)
    earlier = [run for run in runs if (run.get("ts_epoch") or 0) < at and _id(run) != run_id and _owner(run) == tags]
    earlier.sort(key=lambda run: run.get("ts_epoch") or 0, reverse=True)
    return [(_id(run), run["ts_epoch"] / 1000 if run.get("ts_epoch") else None) for run in earlier]


def _id(run: Any) -> str:
    return str(run.get("run_id") or run.get("run_number"))


def _owner(run: Any) -> frozenset[str]:
    """Whose run it is, as Metaflow's namespaces tell: a user's, or one of production."""
    return frozenset(tag for tag in run.get("system_tags") or () if tag.startswith(("user:", "production:")))
