"""What the end of a task stores and says: summary, card, cost review and closing line, each on its own.

A store that fails or hangs is waited for only so long; see :mod:`resource_tracker.flows.patience`.
"""

from __future__ import annotations

import time
from functools import partial

from resource_tracker.bundled import use_bundled
from resource_tracker.dataclass import replace
from resource_tracker.flows.attempt import TaskContext
from resource_tracker.flows.attempt_record import bundled_catalog
from resource_tracker.flows.cards import FINAL, NO_DATA, CardStore, temporary_files_in
from resource_tracker.flows.closing import closing_line
from resource_tracker.flows.guard import guarded, say
from resource_tracker.flows.last_words import LastWords, without_metadata
from resource_tracker.flows.live_end import LiveEnd
from resource_tracker.flows.local_metadata import pack_again
from resource_tracker.flows.order import OF_FOLDERS, Order
from resource_tracker.flows.patience import PATIENCE_S, stored, within
from resource_tracker.flows.summaries import write_summary
from resource_tracker.records import TaskRecord
from resource_tracker.settings import Settings
from resource_tracker.spans import priced
from resource_tracker.summary import encode_summary, summary_of


def tell(
    record: TaskRecord,
    live: LiveEnd | None,
    *,
    context: TaskContext,
    settings: Settings,
    order: Order,
    cards: CardStore | None,
    spool_dir: str | None,
    metadata_answers: bool = True,
) -> LastWords | None:
    """Store and say what is known of the attempt.

    Parameters
    ----------
    record : TaskRecord
        The whole of it.
    live : LiveEnd or None
        How the live card ended, where there was one.
    context, settings, order
        Of the attempt.
    cards : CardStore or None
        Where its card belongs; ``None`` for no card.
    spool_dir : str or None
        Where temporary files on the way to a store may stand.
    metadata_answers : bool
        False where they have just been waited for in vain: then others store the summary.

    Returns
    -------
    LastWords or None
        What the stores did not take.
    """
    if live is not None and live.trouble is not None:
        tracking = record.tracking
        record = replace(record, tracking=replace(tracking, failed_sources=(*tracking.failed_sources, live.trouble)))
    if settings.prices == "live":
        record = guarded("ask for live prices", _with_live_prices, record, settings) or record
    summary, unsaid, page = summary_of(record), LastWords(), None
    service, bucket = order.metadata != "local", order.datastore not in OF_FOLDERS
    what = "store the summary of the attempt"
    if metadata_answers and stored(what, service, write_summary, context.metadata, summary):
        stored("hand the summary over", service, pack_again, context.metadata, context.decorators)
    else:
        unsaid, record = LastWords(summary=encode_summary(summary)), without_metadata(record)
    if cards is not None:
        page = guarded("write the card", _page, record)
    if cards is not None and page is not None:
        with temporary_files_in(spool_dir, type(context.flow_datastore._storage_impl)):
            ends_live = live is not None and live.tells_page
            saved = stored("write the card", bucket, _save, cards, page, ends_live=ends_live)
        if not saved:
            unsaid = replace(unsaid, page=page)
        elif context.ends_the_run:
            answers = unsaid.summary is None
            guarded("write the cost review", _write_review, cards, context, settings, order, metadata_answers=answers)
    if not settings.quiet:
        say(closing_line(record, order.how_to_open if cards is not None else None))
    return None if unsaid == LastWords() else unsaid


def _with_live_prices(record: TaskRecord, settings: Settings) -> TaskRecord:
    """Asked only now: the step and its artifacts do not wait for the network."""
    from resource_tracker.live_pricing import price_record_live

    bundled = bundled_catalog()
    if bundled is None:
        return record
    pricing = price_record_live(record, bundled=bundled, vendor=settings.vendor, region=settings.region)
    return replace(record, pricing=pricing, spans=priced(record.spans, pricing.run_cost_usd, record.usage.duration_s))


def _page(record: TaskRecord) -> str:
    use_bundled()  # jinja2 is loaded only where there is a card
    from resource_tracker.report.render import render_card

    return render_card(record)


def _save(cards: CardStore, page: str, *, ends_live: bool) -> None:
    cards.save(page)
    if ends_live:
        cards.save_data(NO_DATA, FINAL, time.time())


def _write_review(
    cards: CardStore, context: TaskContext, settings: Settings, order: Order, *, metadata_answers: bool
) -> None:
    """Of the whole run, this step included: its summary is in the metadata by now."""
    from resource_tracker.flows.review_card import page_of_run  # only the last step of a run needs it

    page = page_of_run(context, settings, order.handover_folder, metadata_answers=metadata_answers)
    within(PATIENCE_S, partial(cards.save_review, page), may_hang=order.datastore not in OF_FOLDERS)
