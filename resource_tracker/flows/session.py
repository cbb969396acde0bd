"""One tracked attempt inside the task process: from the first reading to the final card.

Nothing here may reach the user's step: the decorator calls every method through
:func:`resource_tracker.flows.guard.guarded`.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from functools import partial
from typing import Any

from resource_tracker.artifact import to_artifact
from resource_tracker.bundled import use_bundled
from resource_tracker.dataclass import replace
from resource_tracker.flows.attempt import TaskContext
from resource_tracker.flows.attempt_record import bundled_catalog, record_of
from resource_tracker.flows.cards import FINAL, NO_DATA, REVIEW_ID, CardStore, card_id, temporary_files_in
from resource_tracker.flows.closing import closing_line
from resource_tracker.flows.failure import failure_of
from resource_tracker.flows.first_order import first_order
from resource_tracker.flows.guard import guarded, say
from resource_tracker.flows.handover import drop_handover
from resource_tracker.flows.in_step import offer, warn_in_log
from resource_tracker.flows.input_size import ArtifactSizes
from resource_tracker.flows.last_words import LastWords, leave_last_words, without_metadata
from resource_tracker.flows.live_end import LiveEnd, end_live
from resource_tracker.flows.local_metadata import pack_again
from resource_tracker.flows.order import OF_FOLDERS, leave_outcome, write_order
from resource_tracker.flows.patience import PATIENCE_S, stored, within
from resource_tracker.flows.summaries import write_summary
from resource_tracker.host import with_gpus
from resource_tracker.memory_warning import memory_warning
from resource_tracker.records import EarlierAttempt, InputSize, Outcome, TaskRecord
from resource_tracker.settings import Settings
from resource_tracker.spans import priced
from resource_tracker.starting import Begun
from resource_tracker.summary import encode_summary, summary_of
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
        how_to_open = self._how_to_open() if settings.create_card else None
        self._order = first_order(context, settings, how_to_open=how_to_open, input_size=self._input_size())
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
        unsaid = None
        try:
            guarded("read what was told of the attempt before", self._read_note)
            if self._order.attempt and self._before is None:
                guarded("look at the attempt before", within, PATIENCE_S, self._look_back)
            self._measuring.stop()
            unsaid = self._tell(self._end_live())
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

    def _tell(self, live: LiveEnd | None) -> LastWords | None:
        """Returns what the stores did not take."""
        record = self._record()
        if live is not None and live.trouble is not None:
            tracking = record.tracking
            record = replace(
                record, tracking=replace(tracking, failed_sources=(*tracking.failed_sources, live.trouble))
            )
        if self._settings.prices == "live":
            record = guarded("ask for live prices", self._with_live_prices, record) or record
        summary, unsaid, page = summary_of(record), LastWords(), None
        if stored("store the summary of the attempt", write_summary, self._context.metadata, summary):
            stored("hand the summary over", pack_again, self._context.metadata, self._context.decorators)
        else:
            unsaid, record = LastWords(summary=encode_summary(summary)), without_metadata(record)
        if self._cards is not None:
            page = guarded("write the card", self._page, record)
        if page is not None:
            if not self._is_saved(page, ends_live=live is not None and live.tells_page):
                unsaid = replace(unsaid, page=page)
            elif self._context.ends_the_run:
                guarded("write the cost review", self._write_review)
        if not self._settings.quiet:
            say(closing_line(record, self._order.how_to_open if self._cards is not None else None))
        return None if unsaid == LastWords() else unsaid

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

    def _with_live_prices(self, record: TaskRecord) -> TaskRecord:
        """Asked only now: the step and its artifacts do not wait for the network."""
        from resource_tracker.live_pricing import price_record_live

        bundled, settings = bundled_catalog(), self._settings
        if bundled is None:
            return record
        pricing = price_record_live(record, bundled=bundled, vendor=settings.vendor, region=settings.region)
        spans = priced(record.spans, pricing.run_cost_usd, record.usage.duration_s)
        return replace(record, pricing=pricing, spans=spans)

    def _page(self, record: TaskRecord) -> str:
        use_bundled()  # jinja2 is loaded only where there is a card
        from resource_tracker.report.render import render_card

        return render_card(record)

    def _is_saved(self, page: str, *, ends_live: bool) -> bool:
        spool_dir = getattr(self._measuring, "spool_dir", None)
        with temporary_files_in(spool_dir, type(self._context.flow_datastore._storage_impl)):
            return stored("write the card", self._save_page, page, ends_live=ends_live)

    def _save_page(self, page: str, *, ends_live: bool) -> None:
        assert self._cards is not None
        self._cards.save(page)
        if ends_live:
            self._cards.save_data(NO_DATA, FINAL, time.time())

    def _write_review(self) -> None:
        """Of the whole run, this step included: its summary is in the metadata by now."""
        from resource_tracker.flows.review_card import page_of_run  # only the last step of a run needs it

        assert self._cards is not None
        page = page_of_run(self._context, self._settings, self._order.handover_folder)
        within(PATIENCE_S, partial(self._cards.save_review, page))

    def _how_to_open(self) -> str:
        attempt, task = self._context.attempt, "/".join(self._context.pathspec.split("/")[1:])
        opened = f"card: python {sys.argv[0]} card view {task} --id {card_id(attempt)}"
        return f"{opened} | whole run: --id {card_id(attempt, REVIEW_ID)}" if self._context.ends_the_run else opened

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
