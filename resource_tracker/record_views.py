"""What can be asked of a record: statistics, advice, machines and prices, the page, and forms to keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from resource_tracker.artifact import to_artifact
from resource_tracker.catalog import load_bundled
from resource_tracker.errors import SettingError
from resource_tracker.export import to_json
from resource_tracker.pricing import price
from resource_tracker.records import NoRecommendation, Pricing, Recommendation, TaskRecord
from resource_tracker.report_file import Report
from resource_tracker.settings import PRICE_SOURCES
from resource_tracker.usage import published_stats


class RecordViews(ABC):
    """Answers from one record, whoever holds it."""

    @property
    @abstractmethod
    def record(self) -> TaskRecord:
        """All of it."""

    @abstractmethod
    def _without_cloud(self) -> TaskRecord:
        """The same where nobody was asked for the cloud: it is there at once."""

    def stats(self) -> dict[str, Any]:
        """Means, peaks and sums, with the keys and units of the artifact's ``stats``."""
        return published_stats(self._without_cloud().usage)

    def recommend_resources(self) -> Recommendation | NoRecommendation:
        """What to ask for next time; its ``str`` is the ``@resources`` line to paste, or why there is none."""
        return self._without_cloud().recommendation

    def recommend_server(
        self, vendor: str | None = None, region: str | None = None, limit: int = 5, prices: str = "bundled"
    ) -> Pricing:
        """The cheapest cloud machines that would have been enough, and what this run would have cost on them.

        Parameters
        ----------
        vendor, region : str, optional
            Where to look, such as ``"aws"`` and ``"eu-west-1"``; by default where the machine stands, and where that
            is unknown in a default region (``assumed`` is then True).
        limit : int
            How many machines at most.
        prices : {"bundled", "live"}
            ``"live"`` asks the Spare Cores Keeper API, which takes up to 4 s; where it does not answer, the result's
            note says so.

        Raises
        ------
        SettingError
            The catalog has no such vendor or region; the message lists those it has.
        CatalogError
            The catalog cannot be read.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise SettingError(f"recommend_server: limit={limit!r} cannot be used: give a whole number above 0")
        if prices not in PRICE_SOURCES:
            allowed = " or ".join(map(repr, PRICE_SOURCES))
            raise SettingError(f"recommend_server: prices={prices!r} cannot be used: give {allowed}")
        record, bundled = self.record, load_bundled()
        if prices == "live":
            from resource_tracker.live_pricing import price_record_live

            return price_record_live(record, bundled=bundled, vendor=vendor, region=region, limit=limit)
        return price(
            bundled,
            record.recommendation,
            record.usage,
            record.cloud,
            record.server,
            request=record.request,
            limits=record.limits,
            vendor=vendor,
            region=region,
            limit=limit,
        )

    def report(self) -> Report:
        """The card of what was measured, as a page to save, to open or to show in a notebook."""
        return Report(self.record)

    # --- keeping -------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything as builtins and two TinyDataFrames: what a Metaflow artifact holds, and fit to be pickled."""
        return to_artifact(self.record)

    def to_json(self) -> str:
        """The snapshot as JSON text; frames are objects of lists, and what is not available is ``null``."""
        return to_json(self.record)
