"""How costs are shown: of one run, or where that is less than a cent, of a thousand."""

from __future__ import annotations

import re
from typing import NamedTuple

from resource_tracker.records import Pricing
from resource_tracker.report import format as fmt

_CENT = 0.01
_MANY = 1000
_VENDORS = {
    "aws": "AWS",
    "gcp": "Google Cloud",
    "azure": "Azure",
    "hcloud": "Hetzner",
    "hetzner": "Hetzner",
    "upcloud": "UpCloud",
    "alicloud": "Alibaba Cloud",
    "alibaba": "Alibaba Cloud",
    "ovh": "OVHcloud",
    "oracle": "Oracle Cloud",
    "oci": "Oracle Cloud",
}
_VENDOR_WORD = re.compile(rf"(?<![\w-])(?:{'|'.join(_VENDORS)})(?![\w-])")


class Costs(NamedTuple):
    """Costs that stand together: each that of `runs` runs, with as many `decimals`."""

    runs: int
    decimals: int

    @property
    def label(self) -> str:
        return "this run" if self.runs == 1 else f"{self.runs}{fmt.NBSP}runs"

    def text(self, run_cost_usd: float | None) -> str:
        return fmt.usd(None if run_cost_usd is None else run_cost_usd * self.runs, self.decimals)


def costs_of(pricing: Pricing, *earlier: float | None) -> Costs:
    """The same for the head and the tables: a thousand runs, if one costs less than a cent wherever it runs.

    Parameters
    ----------
    earlier : float or None
        Further amounts to line up with, which have no say in how many runs are shown.
    """
    offers = [offer.run_cost_usd for offer in pricing.offers]
    here = [cost for cost in (pricing.run_cost_usd, *offers) if cost]
    runs = _MANY if here and max(here) < _CENT else 1
    amounts = (*here, *(cost for cost in earlier if cost))
    return Costs(runs=runs, decimals=fmt.usd_decimals(cost * runs for cost in amounts))


def vendor_name(vendor: str | None) -> str:
    """A vendor as it writes itself; unknown ones as they come."""
    return _VENDORS.get(vendor.lower(), vendor) if vendor else fmt.UNKNOWN


def with_vendor_names(text: str | None) -> str | None:
    """A sentence of the price lookup with its vendors as they write themselves."""
    return text and _VENDOR_WORD.sub(lambda word: vendor_name(word[0]), text)
