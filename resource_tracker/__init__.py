"""What each Metaflow step really needs, and what it costs.

Importing this package imports nothing else: public names are looked up when they are first used.
"""

__all__ = ["ResourceTracker", "TinyDataFrame", "__version__"]

_HOMES = {"TinyDataFrame": "resource_tracker.frame", "ResourceTracker": "resource_tracker.api"}


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, distributions, version

    try:
        return version("metaflow-resource-tracker")
    except (
        PackageNotFoundError
    ):  # a copied folder, as in a remote task's code package, which may not be on the path now
        beside = __file__.rpartition("/")[0].rpartition("/")[0]
        found = distributions(name="metaflow-resource-tracker", path=[beside or "."])
        return next((distribution.version for distribution in found), "unknown")
