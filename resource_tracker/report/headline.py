"""The head of the card: how it ended, what to ask for next time, and what that is worth."""

from __future__ import annotations

from typing import Literal, NamedTuple

from resource_tracker.memory_need import LEAST_TOLD
from resource_tracker.records import NoRecommendation, Offer, Recommendation, TaskRecord, UsageSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, costs_of, vendor_name
from resource_tracker.report.verdict import verdict
from resource_tracker.units import mib_to_kib

Tone = Literal["good", "bad", "live", "neutral"]
_SAVING_SHARE = 1.05
_SAVING_LEAST_MIB = 8
"""Saving the artifacts is named as the peak only if it went above the step's own by more than both."""


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
    if record.ending is not None and outcome.status != "ok":
        cause = record.ending.cause
        return Badge(text="Failed" if cause == "unknown" else f"{cause[:1].upper()}{cause[1:]}", tone="bad")
    if outcome.status == "running":
        return Badge(text="Running", tone="live")
    if outcome.status == "ok":
        return Badge(text="Succeeded", tone="good")
    if outcome.status == "failed":
        if outcome.exception_type == "KeyboardInterrupt":
            return Badge(text="Interrupted (Ctrl-C)", tone="bad")
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
        verdict=verdict(record, recommendation),
        code=recommendation.as_text(),
        sentences=tuple(s for s in (_memory_sentence(record, recommendation), _basis(record, recommendation)) if s),
    )


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
    if _saving_was_the_peak(usage):
        text += ", while its artifacts were saved"
    if LEAST_TOLD in recommendation.reasons.get("memory", ""):
        text += f"; {LEAST_TOLD}".replace(" MB", f"{fmt.NBSP}MB")
    return text + "."


def _saving_was_the_peak(usage: UsageSummary) -> bool:
    own, saving = usage.memory_peak_kib, usage.persist_memory_peak_kib
    if own is None or saving is None:
        return False
    return saving > max(own * _SAVING_SHARE, own + mib_to_kib(_SAVING_LEAST_MIB))


def _basis(record: TaskRecord, recommendation: Recommendation) -> str:
    """What the numbers come from; of an attempt that did not succeed they are only a lower bound."""
    earlier = recommendation.based_on_runs - 1
    runs = "this run alone" if earlier < 1 else f"this and {fmt.plural(earlier, 'earlier run')}"
    if record.outcome.status == "ok":
        return f"Based on {runs}."
    ended = "did not succeed" if record.outcome.status == "failed" else "may not have succeeded"
    return f"At least that, based on {runs}: the attempt {ended}, so it may need more."


def money(record: TaskRecord) -> Money | None:
    """What the attempt cost, what the cheapest machine that fits would have cost, and the difference."""
    pricing = record.pricing
    cheapest = pricing.offers[0] if pricing.offers else None
    costs = costs_of(pricing)
    lines = []
    if pricing.run_cost_usd is not None:
        label = "This run" if costs.runs == 1 else f"{costs.label} here"
        where = pricing.own.instance.name if pricing.own else ""
        lines.append(MoneyLine(label=label, value=costs.text(pricing.run_cost_usd), detail=where))
    if cheapest:
        lines.append(_cheapest_line(cheapest, costs))
    if pricing.saving_usd is not None and pricing.saving_usd > 0 and pricing.run_cost_usd:
        share = fmt.percent(pricing.saving_usd / pricing.run_cost_usd)
        detail = f"{costs.text(pricing.saving_usd)} {'a run' if costs.runs == 1 else f'in {costs.label}'}"
        lines.append(MoneyLine(label="Saving", value=share, detail=detail))
    if not lines:
        return None
    assumed = f"{vendor_name(pricing.vendor)} {pricing.region}" if pricing.assumed else None
    return Money(lines=tuple(lines), assumed=assumed)


def _cheapest_line(offer: Offer, costs: Costs) -> MoneyLine:
    label, per_hour = "Cheapest that fits", f"{fmt.usd_per_hour(offer.price_usd_per_hour)}/h"
    if offer.run_cost_usd is None:
        return MoneyLine(label=label, value=per_hour, detail=offer.instance.name)
    if costs.runs > 1:
        label = f"{costs.label} on the cheapest that fits"
    return MoneyLine(label=label, value=costs.text(offer.run_cost_usd), detail=f"{offer.instance.name}, {per_hour}")


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
