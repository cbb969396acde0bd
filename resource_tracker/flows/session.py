"""One tracked attempt inside the task process: from the first reading to the final card.

Nothing here may reach the user's step: the decorator calls every method through
:func:`resource_tracker.flows.guard.guarded`.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from resource_tracker.artifact import to_artifact
from resource_tracker.dataclass import replace
from resource_tracker.flows.attempt import TaskContext
from resource_tracker.flows.attempt_record import record_of
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.failure import failure_of
from resource_tracker.flows.first_order import first_order
from resource_tracker.flows.guard import guarded, say
from resource_tracker.flows.handover import drop_handover
from resource_tracker.flows.in_step import offer, warn_in_log
from resource_tracker.flows.input_size import ArtifactSizes
from resource_tracker.flows.last_words import LastWords, leave_last_words
from resource_tracker.flows.live_end import LiveEnd, end_live
from resource_tracker.flows.order import OF_FOLDERS, leave_outcome, write_order
from resource_tracker.flows.patience import PATIENCE_S, within
from resource_tracker.flows.telling import tell
from resource_tracker.host import with_gpus
from resource_tracker.memory_warning import memory_warning
from resource_tracker.records import EarlierAttempt, InputSize, Outcome, TaskRecord
from resource_tracker.settings import Settings
from resource_tracker.starting import Begun
from resource_tracker.tracker import SamplerProcess, finish_start


class TaskSession:
    """Measures one attempt and stores what was found.

    Parameters
    ----------
    context : TaskContext
        The attempt.
    settings : Settings
        The decorator's validated options.
    begun : Begun
        The measurement, which starts at the end of this.

    Notes
    -----
    Everything that depends on the current directory is resolved here, before the user's code runs.
    """

    def __init__(self, context: TaskContext, settings: Settings, begun: Begun) -> None:
        self._context = context
        self._settings = settings
        self._pid = os.getpid()
        self._artifact_sizes = None
        if context.own_input_size is None:
            self._artifact_sizes = guarded("read the sizes of the input artifacts", self._sizes_of_artifacts)
        self._order = first_order(context, settings, input_size=self._input_size())
        self._cards = guarded("open the place of the card", self._card_store)
        self._gpus_asked = False
        self._server = self._order.server
        self._outcome = Outcome(status="running")
        self._before: EarlierAttempt | None = None
        if self._order.metadata == "local":  # a few files; of a service it is asked when the step has ended
            guarded("look at the attempt before", self._look_back)
        self._stored: dict[str, Any] | None = None
        self._finished = False
        warning = memory_warning(
            settings.warn_memory_fraction,
            self._order.limits,
            self._server,
            speaker="track_resources",
            remedy="memory= of @resources asks for more",
        )
        self._measuring = finish_start(begun)
        guarded("offer current.track_resources", offer, self._measuring, self._order)
        guarded("prepare the warning", warn_in_log, self._measuring, warning)
        if isinstance(self._measuring, SamplerProcess):
            guarded("leave word for the live card", self._leave_order, self._measuring)
            if self._order.handover_folder is None:
                guarded("ask for the cloud", _ask_for_cloud)
        atexit.register(self._task_is_exiting)

    def _card_store(self) -> CardStore | None:
        order, storage = self._order, type(self._context.flow_datastore._storage_impl)
        return None if order.card_root is None else CardStore(storage, order.card_root, order.pathspec, order.attempt)

    def _leave_order(self, measuring: SamplerProcess) -> None:
        """For who tells of the attempt from outside; it counts from where the measurements do."""
        start = measuring.timeline.start
        self._order = replace(
            self._order, started_at=start.unix_s, started_monotonic_s=start.monotonic_s, attempt_before=self._before
        )
        write_order(measuring.spool_dir, self._order)

    def step_ended(self, exception: BaseException | None) -> None:
        """The user's code is over: take a reading and store the artifact.

        Can be called twice: another decorator may fail after the step had succeeded.
        """
        if os.getpid() != self._pid:
            return  # a fork of the task ran into Metaflow's hooks
        first = self._outcome.status == "running"
        if exception is None:
            self._outcome = Outcome(status="ok")
        else:
            self._outcome = failure_of(exception)
        if first:
            self._measuring.mark("step_end")
        name = self._settings.artifact_name
        flow = self._context.flow
        if name in flow.__dict__ and (self._stored is None or flow.__dict__[name] is not self._stored):
            return  # the user's own artifact of this name stays, be it None
        guarded("read what was told of the attempt before", self._read_note)
        self._stored = to_artifact(self._record())
        setattr(flow, name, self._stored)

    def finished(self, caught: bool = False) -> None:
        """Artifacts are saved: last reading, then summary, card and closing line, each on its own.

        Parameters
        ----------
        caught : bool
            The flow goes on: if the step had failed, another decorator handled its exception.
        """
        if self._finished or os.getpid() != self._pid:
            return
        self._finished = True
        if self._outcome.status == "running":  # sys.exit or Ctrl-C, of which Metaflow's other hooks are not told
            self._outcome = failure_of(sys.exc_info()[1])
        if self._outcome.status == "failed":
            self._outcome = replace(self._outcome, caught=caught)
        atexit.unregister(self._task_is_exiting)
        unsaid, answers = None, True
        try:
            guarded("read what was told of the attempt before", self._read_note)
            if self._order.attempt and self._before is None:
                answers = guarded("look at the attempt before", self._look_back_in_time) is not False
            self._measuring.stop(spare=True)  # it is needed still where a store does not take something
            unsaid = self._tell(answers)
        except KeyboardInterrupt:  # pressed once more: this process is to end at once, and another one tells
            self._leave_outcome()
            raise
        except BaseException:
            self._measuring.remove()
            raise
        if unsaid is None or not guarded("leave what could not be stored", self._leave, unsaid):
            self._measuring.remove()  # last: until then the sampler has others tell, should this process die
        handover_folder = self._order.handover_folder
        if handover_folder is not None and os.getppid() != self._order.runtime_pid:
            drop_handover(handover_folder)  # the runtime was killed and cannot

    def _leave_outcome(self) -> None:
        """For who tells of the end in our place, as soon as the sampler sees it."""
        if isinstance(self._measuring, SamplerProcess):
            guarded("leave word of its end", leave_outcome, self._measuring.spool_dir, self._outcome)
        else:
            self._measuring.remove()

    def _tell(self, metadata_answers: bool) -> LastWords | None:
        """Returns what the stores did not take."""
        live = self._end_live()
        return tell(
            self._record(),
            live,
            context=self._context,
            settings=self._settings,
            order=self._order,
            cards=self._cards,
            spool_dir=getattr(self._measuring, "spool_dir", None),
            metadata_answers=metadata_answers,
        )

    def _leave(self, unsaid: LastWords) -> bool:
        """Whether a process that outlives this one stores what is left; it then removes the spool, too."""
        if not isinstance(self._measuring, SamplerProcess) or not self._measuring.is_attended():
            return False
        leave_last_words(self._measuring.spool_dir, unsaid)
        if not self._settings.quiet:
            say("[track_resources] what could not be stored is tried again for a minute, by a process beside the step")
        return True

    def _read_note(self) -> None:
        """Whether somebody has told this attempt what became of the one before, in its log, too."""
        if self._order.attempt and self._before is None and isinstance(self._measuring, SamplerProcess):
            from resource_tracker.flows.attempt_before import read_note  # most attempts are the first

            self._before = read_note(self._measuring.spool_dir)

    def _look_back(self) -> None:
        """Once it is known what became of the attempt before, say in one line what to raise."""
        if self._order.attempt < 1 or self._before is not None:
            return
        from resource_tracker.flows.attempt_before import line_of, look_back  # most attempts are the first

        self._before = look_back(self._context.metadata, self._order.pathspec, self._order.attempt)
        line = line_of(self._before, self._order.pathspec) if self._before else None
        if line and not self._settings.quiet and self._is_mine_to_tell():
            say(line)

    def _look_back_in_time(self) -> bool:
        """False where the metadata do not answer: the end of the attempt waits for them once, not again."""
        try:
            within(PATIENCE_S, self._look_back, may_hang=self._order.metadata != "local")
        except TimeoutError as error:
            say(f"[track_resources] could not look at the attempt before: {error} (the step is not affected)")
            return False
        return True

    def _is_mine_to_tell(self) -> bool:
        """Whether nobody tells it from outside at this very moment. Before the order stands there, nobody can."""
        measuring = getattr(self, "_measuring", None)
        if self._before is None or not isinstance(measuring, SamplerProcess):
            return True
        from resource_tracker.flows.attempt_before import leave_note

        try:
            return leave_note(measuring.spool_dir, self._before)
        except OSError:
            return True

    def _end_live(self) -> LiveEnd | None:
        if not isinstance(self._measuring, SamplerProcess) or not self._settings.live:
            return None
        return guarded("end the live card", end_live, self._measuring.spool_dir)

    def _task_is_exiting(self) -> None:
        """The interpreter exits and ``task_finished`` never came, for instance as an artifact could not be saved."""
        if self._outcome.status == "running":
            # None of Metaflow's hooks was told how the step's code ended: Ctrl-C, and again while Metaflow saved.
            self._outcome = Outcome(status="failed", exception_type=KeyboardInterrupt.__name__)
        elif self._outcome.status == "ok":
            self._outcome = Outcome(status="failed")
        if self._order.datastore not in OF_FOLDERS:
            # Clients of clouds need threads, and none starts any more: Metaflow would try again for minutes.
            if isinstance(self._measuring, SamplerProcess):
                self._leave_outcome()
                return
            self._cards = None
        guarded("finish the card", self.finished)

    def _record(self) -> TaskRecord:
        measurements = self._measuring.measurements()
        if not measurements.gpu_facts and not self._gpus_asked:  # only now: the driver may take long
            self._gpus_asked = True
            self._server = guarded("ask for the GPUs", with_gpus, self._server) or self._server
        size = self._input_size()
        return record_of(
            self._order,
            measurements,
            self._outcome,
            server=self._server,
            input_size=size,
            attempt_before=self._before,
            spool_dir=getattr(self._measuring, "spool_dir", None),
        )

    def _sizes_of_artifacts(self) -> ArtifactSizes:
        from metaflow import flowspec

        # Each tracked step adds the name of its artifact there.
        internal = getattr(flowspec, "INTERNAL_ARTIFACTS_SET", ())
        return ArtifactSizes(self._context.flow, self._context.inputs, {self._settings.artifact_name, *internal})

    def _input_size(self) -> InputSize | None:
        """Asked again by the final card, and after the step: by then it has loaded its item of a foreach."""
        if self._artifact_sizes is not None:
            return self._artifact_sizes.size()
        return self._context.own_input_size


def _ask_for_cloud() -> None:
    from resource_tracker.cloud_cache import cached
    from resource_tracker.cloud_probe import start_probe

    if cached() is None:
        start_probe()
