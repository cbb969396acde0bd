"""What a task knows of its attempt before anything else of us is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resource_tracker.dataclass import dataclass

if TYPE_CHECKING:
    from resource_tracker.records import InputSize

HANDOVER_VARIABLE = "METAFLOW_RESOURCE_TRACKER_HANDOVER"
MARKER_VARIABLE = "METAFLOW_RESOURCE_TRACKER_MARKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """What Metaflow tells about the attempt.

    `inputs` are the datastores of the tasks before. `own_input_size` is what the user's own ``input_size=`` gave.
    """

    flow: Any
    step: str
    run_id: str
    task_id: str
    attempt: int
    flow_datastore: Any
    metadata: Any
    decorators: tuple[Any, ...]
    inputs: tuple[Any, ...] = ()
    own_input_size: InputSize | None = None
    ends_the_run: bool = False

    @property
    def pathspec(self) -> str:
        return f"{self.flow.name}/{self.run_id}/{self.step}/{self.task_id}"
