"""The head of the card: how it ended, what to ask for next time, and what that is worth."""

from __future__ import annotations

from typing import Literal, NamedTuple

from resource_tracker.records import NoRecommendation, Offer, Recommendation, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.units import mb_to_kib

Tone = Literal["good", "bad", "live", "neutral"]
_CLOSE = 1.25
"""A request within this factor of the advice fits."""


class Badge(NamedTuple):
    text: str
    tone: Tone


class Advice(NamedTuple):
    """`code` is the line to paste, ``None`` where there is no advice; `sentences` say why."""

    verdict: str
    code: str | None
    sentences: tuple[str, ...]


class MoneyLine(NamedTuple):
    label: str
    value: str
    detail: str


class Money(NamedTuple):
    """`assumed`: in which region the prices are taken to be, where the vendor is unknown."""

    lines: tuple[MoneyLine, ...]
    assumed: str | None


def badge(record: TaskRecord) -> Badge:
    outcome = record.outcome
    if outcome.status == "running":
        return Badge(text="Running", tone="live")
    if outcome.status == "ok":
        return Badge(text="Succeeded", tone="good")
    if outcome.status == "failed":
        what = f"Failed: {outcome.exception_type}" if outcome.exception_type else "Failed"
        return Badge(text=f"{what} (caught)" if outcome.caught else what, tone="bad")
    return Badge(text="Outcome unknown", tone="neutral")


def advice(record: TaskRecord) -> Advice:
    recommendation = record.recommendation
    if record.tracking.mode == "untracked":
        reason = _sentence(record.tracking.reason or "the reason was not recorded")
        return Advice(verdict="This step was not measured", code=None, sentences=(reason,))
    if record.outcome.status == "running":
        return Advice(verdict="Measuring", code=None, sentences=("Advice follows when the step has ended.",))
    if isinstance(recommendation, NoRecommendation):
        return Advice(verdict="No advice for this step", code=None, sentences=(_sentence(recommendation.reason),))
    return Advice(
        verdict=_verdict(record, recommendation),
        code=recommendation.as_text(),
        sentences=tuple(s for s in (_memory_sentence(record, recommendation), _basis(recommendation)) if s),
    )


def _verdict(record: TaskRecord, recommendation: Recommendation) -> str:
    """The advice against what was asked for, in a few words."""
    request, peak = record.request, record.usage.overall_memory_peak_kib
    pairs = [
        ("memory", request.memory_mb, recommendation.memory_mb),
        ("CPUs", request.cpu, recommendation.cpu),
        ("GPUs", request.gpu, recommendation.gpu),
    ]
    asked = [(name, have, need) for name, have, need in pairs if have]
    if not asked:
        return "What to request next time"
    if peak is not None and request.memory_mb and peak > mb_to_kib(request.memory_mb):
        return "Memory went beyond the request"
    short = [name for name, have, need in asked if need > have]
    if short:
        words = _joined(short)
        return f"{words[:1].upper()}{words[1:]} came close to the request"
    over = [(name, have / need if need else None) for name, have, need in asked if have > need * _CLOSE]
    if not over:
        return "The request fits"
    return f"Requested {_joined([_times(name, ratio) for name, ratio in over])} it needs"


def _times(name: str, ratio: float | None) -> str:
    return f"{name} that" if ratio is None else f"{fmt.trimmed(ratio, 2)}× the {name}"


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _memory_sentence(record: TaskRecord, recommendation: Recommendation) -> str | None:
    usage = record.usage
    peak = usage.overall_memory_peak_kib
    if peak is None:
        return None
    requested, limit = record.request.memory_mb, record.limits.memory_mib
    text = f"Memory peaked at {fmt.memory_kib(peak)}"
    if requested:
        text += f" of {fmt.memory_mb(requested)} requested"
    elif limit:
        text += f" of {fmt.memory_mib(limit)} allowed"
    if usage.persist_memory_peak_kib is not None and usage.persist_memory_peak_kib == peak != usage.memory_peak_kib:
        text += ", while its artifacts were saved"
    basis = recommendation.basis_memory_kib or peak
    headroom = mb_to_kib(recommendation.memory_mb) / basis - 1 if basis else 0.0
    if headroom >= 0.01:
        above = "it" if basis <= peak * 1.01 else f"the {fmt.memory_kib(basis)} it is based on"
        text += f"; the advice leaves {fmt.percent(headroom)} above {above}"
    return text + "."


def _basis(recommendation: Recommendation) -> str:
    earlier = recommendation.based_on_runs - 1
    if earlier < 1:
        return "Based on this run alone."
    return f"Based on this and {fmt.plural(earlier, 'earlier run')}."


def money(record: TaskRecord) -> Money | None:
    """What the attempt cost, what the cheapest machine that fits would have cost, and the difference."""
    pricing = record.pricing
    cheapest = pricing.offers[0] if pricing.offers else None
    costs = [pricing.run_cost_usd, cheapest.run_cost_usd if cheapest else None]
    decimals = fmt.usd_decimals(costs)
    lines = []
    if pricing.run_cost_usd is not None:
        where = pricing.own.instance.name if pricing.own else ""
        lines.append(MoneyLine(label="This run", value=fmt.usd(pricing.run_cost_usd, decimals), detail=where))
    if cheapest:
        lines.append(_cheapest_line(cheapest, decimals))
    if pricing.saving_usd is not None and pricing.saving_usd > 0 and pricing.run_cost_usd:
        share = fmt.percent(pricing.saving_usd / pricing.run_cost_usd)
        detail = f"{fmt.usd(pricing.saving_usd, decimals)} a run"
        lines.append(MoneyLine(label="Saving", value=share, detail=detail))
    if not lines:
        return None
    assumed = f"{vendor_name(pricing.vendor)} {pricing.region}" if pricing.assumed else None
    return Money(lines=tuple(lines), assumed=assumed)


def _cheapest_line(offer: Offer, decimals: int) -> MoneyLine:
    label, per_hour = "Cheapest that fits", f"{fmt.usd_per_hour(offer.price_usd_per_hour)}/h"
    if offer.run_cost_usd is None:
        return MoneyLine(label=label, value=per_hour, detail=offer.instance.name)
    cost = fmt.usd(offer.run_cost_usd, decimals)
    return MoneyLine(label=label, value=cost, detail=f"{offer.instance.name}, {per_hour}")


def vendor_name(vendor: str | None) -> str:
    """A vendor as it writes itself; unknown ones as they come."""
    names = {
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
    return names.get(vendor.lower(), vendor) if vendor else fmt.UNKNOWN


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
