"""The live card: one page, and from then on only the data that it draws, written every few seconds."""

from __future__ import annotations

import time

from resource_tracker.dataclass import replace
from resource_tracker.endings import STOPS_WITHIN_S, stop_projection
from resource_tracker.errors import SpoolError
from resource_tracker.flows.attempt_record import record_of
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.order import Order
from resource_tracker.flows.publisher.outside import stopping_since, timeline_of
from resource_tracker.flows.publisher.status import Status
from resource_tracker.frame import TinyDataFrame
from resource_tracker.live_cores import LiveCores
from resource_tracker.measured import measurements_of
from resource_tracker.projections import projections
from resource_tracker.records import Outcome, TaskRecord, UsageSummary
from resource_tracker.report.charts import Highs
from resource_tracker.report.cores import live_core_parts
from resource_tracker.report.model import card_data
from resource_tracker.report.render import render_card
from resource_tracker.sampler.cores import CORES_PREFIX
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.spool_follow import Kept, LiveSpool, SpoolFollower
from resource_tracker.summary import encode_summary, summary_of

BACK_OFF_MOST_S = 300.0
SHARE_OF_STORE = 0.1
"""Of the time at most that the store is kept busy: one that takes a second is asked every ten."""
SHARE_OF_CORE = 0.005
SHARE_OF_STEP = 1 / 720
"""Of a long step that one update may be apart: of an hour five seconds, of a day two minutes."""


class LiveCard:
    """Keeps the card of a running attempt up to date.

    Parameters
    ----------
    order : Order
        Of the attempt.
    spool_dir : str
        Where its measurements grow.
    cards : CardStore
        Where its card goes.
    status : Status
        Where the store's behaviour is noted.
    """

    def __init__(self, order: Order, spool_dir: str, cards: CardStore, status: Status) -> None:
        self._order = order
        self._spool_dir = spool_dir
        self._cards = cards
        self._status = status
        self._rows = SpoolFollower(spool_dir, LiveSpool)
        self._gpu_rows = SpoolFollower(spool_dir, LiveSpool, GPU_PREFIX)
        self._core_rows = SpoolFollower(spool_dir, LiveCores, CORES_PREFIX)
        self._created_on = 0.0
        self._failures_in_a_row = 0
        self._apart_s = order.refresh_interval_s
        self._stopping_at: float | None = None
        self.token = f"live_{order.attempt}"
        self.tells_of_stop = False
        """Whether the store has a record which says that all is being stopped."""

    def refresh(self, stopping_at: float | None = None) -> float:
        """Update the card; returns seconds until the next update is due. What fails is noted, and tried again later.

        Parameters
        ----------
        stopping_at : float, optional
            When SIGTERM came (Unix time), as it does before all of a container or a machine is killed.
        """
        cpu_before_s, store_s = time.process_time(), 0.0
        try:
            record, highs = self.record(stopping_at)
            early = encode_summary(replace(summary_of(record), stopping_at=self._stopping_at))
            cores = _read_beside(self._core_rows)
            drawn = None if cores is None else live_core_parts(cores, record.started_at)
            data = card_data(record, highs, self._apart_s, drawn)
            spent_s = time.process_time() - cpu_before_s
            html = None if self._status.has_page else render_card(record, reload_token=self.token, data=data)
            self._status.asking()
            asked_at_s = time.monotonic()
            try:
                self._store(html, data, early)
            finally:
                store_s = time.monotonic() - asked_at_s
        except Exception as error:  # noqa: BLE001 - a store may fail in any way, and is shown in the last card
            self._failures_in_a_row += 1
            self._status.failed(error)
            apart_s = self._order.refresh_interval_s * 2.0**self._failures_in_a_row
            return max(min(apart_s, BACK_OFF_MOST_S), store_s / SHARE_OF_STORE, self._order.refresh_interval_s)
        self._failures_in_a_row = 0
        self._status.succeeded()
        self.tells_of_stop = stopping_at is not None
        elapsed_s = time.monotonic() - self._order.started_monotonic_s
        self._apart_s = max(
            self._order.refresh_interval_s,
            store_s / SHARE_OF_STORE,
            spent_s / SHARE_OF_CORE,
            elapsed_s * SHARE_OF_STEP,
        )
        return self._apart_s

    def record(self, stopping_at: float | None = None) -> tuple[TaskRecord, Highs]:
        """The attempt as it is now. Raises SpoolError."""
        spool = self._rows.read()
        gpu_spool = _read_beside(self._gpu_rows)
        order = self._order
        measurements = measurements_of(
            spool,
            timeline_of(order, spool),
            mode="sampler",
            interval_s=order.interval_s,
            overhead_budget=order.overhead_budget,
            gpu_spool=gpu_spool,
        )
        record = record_of(order, measurements, Outcome(status="running"), spool_dir=self._spool_dir, advise=False)
        process, system = record.process_metrics, record.system_metrics
        found = projections(process, system, record.usage, record.limits, record.server)
        self._stopping_at = stopping_since(spool) or _unless_past(stopping_at)
        if self._stopping_at is not None:
            found = (stop_projection(self._stopping_at), *found)
        record = _so_far(replace(record, projections=found))
        if not spool.merged:
            return record, {}
        highs = {frame: spool.highs(frame)[: len(process)] for frame in ("process", "system")}
        return replace(record, usage=_with_highs(record, highs["process"])), highs

    def _store(self, html: str | None, data: dict[str, object], early: str) -> None:
        if self._stopping_at is not None:  # there may be no time for both
            self._store_data(data, early)
        if html is not None:
            self._cards.save(html)
            self._status.has_page = True
            self._status.asking()
        if self._stopping_at is None:
            self._store_data(data, early)

    def _store_data(self, data: dict[str, object], early: str) -> None:
        self._created_on = max(time.time(), self._created_on + 0.001)  # it must grow, whatever the clock does
        self._cards.save_data(data, self.token, self._created_on, early)


def _read_beside(rows: SpoolFollower[Kept]) -> Kept | None:
    """``None`` where nothing of the kind is measured, such as on a machine without GPUs, or not yet."""
    try:
        return rows.read()
    except SpoolError:
        return None


def _unless_past(stopping_at: float | None) -> float | None:
    return None if stopping_at is None or time.time() > stopping_at + STOPS_WITHIN_S else stopping_at


def _so_far(record: TaskRecord) -> TaskRecord:
    """What is missing may still come."""
    cloud, history, pricing = record.cloud, record.history, record.pricing
    return replace(
        record,
        cloud=replace(cloud, reason=_not_yet(cloud.reason)),
        history=replace(history, reason=_not_yet(history.reason)),
        pricing=replace(pricing, note="Prices follow when the step has ended."),
    )


def _not_yet(reason: str | None) -> str | None:
    return None if reason is None else reason.removesuffix(" when the step ended").replace("had not", "have not")


def _with_highs(record: TaskRecord, highs: TinyDataFrame) -> UsageSummary:
    """Where rows are merged, the busiest single one is known besides."""
    usage, cpus = record.usage, record.limits.cpus or record.server.vcpus
    busiest = _highest(highs, "cpu_usage", usage.cpu_max_cores)
    return replace(
        usage,
        cpu_max_cores=busiest if busiest is None or cpus is None else min(busiest, cpus),
        gpu_usage_max=_highest(highs, "gpu_usage", usage.gpu_usage_max),
        gpu_vram_max_mib=_highest(highs, "gpu_vram", usage.gpu_vram_max_mib),
        gpu_utilized_max=_highest(highs, "gpu_utilized", usage.gpu_utilized_max),
    )


def _highest(highs: TinyDataFrame, name: str, known: float | None) -> float | None:
    values = [value for value in highs[name] if value == value] if name in highs else []
    return max([*values, *([] if known is None else [known])], default=None)
