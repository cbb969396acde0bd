"""`current.track_resources` where nothing is measured: the same names, `nan` and `None`, and marks that do nothing.

For steps without the decorator, outside of a flow, and where the decorator is disabled: code that uses it runs
everywhere. Imports nothing of `resource_tracker`, which may not be there.
"""

from types import SimpleNamespace

_NAN = float("nan")


class _NoMark:
    """A mark of nothing."""

    def __init__(self, label):
        self.label = label

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        pass


class NothingTracked:
    """As `resource_tracker.step_resources.StepResources`, of a step that is not measured."""

    tracked = False
    elapsed_s = memory_mib = peak_memory_mib = memory_left_mib = _NAN
    cpu_cores = cpu_seconds = gpu_usage = gpu_memory_mib = _NAN

    def __init__(self):
        self.limits = SimpleNamespace(
            cpus=None,
            memory_mib=None,
            source="",
            shared_memory_mib=None,
            cpu_period_s=None,
            memory_high_mib=None,
            swap_mib=None,
        )
        self.request = SimpleNamespace(
            cpu=None,
            memory_mb=None,
            gpu=None,
            disk_mb=None,
            shared_memory_mb=None,
            chosen=(),
            decorators=(),
            written_in=(),
        )

    def mark(self, label):
        """Does nothing, also in a `with` statement."""
        return _NoMark(label)

    def figures(self):
        """Every figure, each `nan`."""
        names = ("elapsed_s", "memory_mib", "peak_memory_mib", "memory_left_mib", "cpu_cores", "cpu_seconds")
        return dict.fromkeys((*names, "gpu_usage", "gpu_memory_mib", "processes", "threads"), _NAN)

    def __repr__(self):
        return "<track_resources: nothing is measured here>"


def offer():
    """Makes `current.track_resources` this, until a step is measured."""
    try:
        from metaflow.metaflow_current import Current
    except ImportError:  # a later Metaflow: this must not keep it from being imported
        return
    if not hasattr(Current, "track_resources"):
        nothing = NothingTracked()
        Current.track_resources = property(lambda _: nothing)
