"""What a review says in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from resource_tracker.lost_attempts import without_trace
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, vendor_name, with_vendor_names
from resource_tracker.report.facts import Fact
from resource_tracker.review_records import RunReview

SHOWN_CHANGES = 3
_SHOWN_MACHINES = 4
_SHOWN_STEPS = 4


def verdict(review: RunReview, costs: Costs) -> str:
    """How much of the money bought nothing."""
    usd, wasted = review.totals.usd, review.waste.usd
    if usd is None:
        return "What this run cost is not known"
    about = "This run cost" if costs.runs == 1 else f"{costs.label} like this one cost"
    about = f"{about} {costs.text(usd)}"
    if not usd > 0 or wasted / usd < 0.01:
        return about
    return f"{about}, and {fmt.percent(min(1.0, wasted / usd))} of it bought nothing"


def sentences(review: RunReview, costs: Costs) -> tuple[str, ...]:
    """What was wasted, in its parts."""
    waste = review.waste
    parts = []
    if waste.lost_usd > 0:
        parts.append(f"{costs.text(waste.lost_usd)} to {lost_attempts(review.totals.lost)}")
    if waste.cpu_usd > 0:
        parts.append(f"{costs.text(waste.cpu_usd)} to CPUs that stood idle ({_hours(waste.core_hours, 'core', costs)})")
    if waste.memory_usd > 0:
        unused = _hours(waste.gib_hours, "GiB", costs)
        parts.append(f"{costs.text(waste.memory_usd)} to memory that was never used ({unused})")
    if waste.gpu_usd > 0:
        parts.append(f"{costs.text(waste.gpu_usd)} to idle GPUs ({_hours(waste.gpu_hours, 'GPU', costs)})")
    left_out = _left_out(review)
    if not parts:
        return left_out
    first, *others = parts
    return (f"{fmt.joined([first.replace(' to ', ' went to ', 1), *others])}.", *left_out)


def _left_out(review: RunReview) -> tuple[str, ...]:
    """That the cost of steps which are not tracked is not known."""
    names = [step.name for step in review.steps if step.aside == "not tracked"]
    if not names:
        return ()
    shown = names[:_SHOWN_STEPS]
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
    verb = "is" if len(names) == 1 else "are"
    whose = "its" if len(names) == 1 else "their"
    return (f"{fmt.joined(shown)} {verb} not tracked: {whose} cost is not counted.",)


def lost_attempts(count: int) -> str:
    return fmt.plural(count, "attempt") + (
        " that failed or was retried" if count == 1 else " that failed or were retried"
    )


def _hours(amount: float, unit: str, costs: Costs) -> str:
    """Of as many runs as the dollars beside it."""
    return f"{fmt.trimmed(amount * costs.runs, 2)}{fmt.NBSP}{unit}-hours"


def assumed(review: RunReview) -> str:
    """Where costs are those of machines that nobody has seen: which, and why; else empty."""
    offers = review.assumed
    if not offers:
        return ""
    names = ", ".join(offer.instance.name for offer in offers[:_SHOWN_MACHINES])
    if len(offers) > _SHOWN_MACHINES:
        names += f" and {len(offers) - _SHOWN_MACHINES} more"
    places = sorted({f"{vendor_name(offer.instance.vendor)} {offer.region}" for offer in offers})
    return (
        "Assumed machines: it is not known where the steps ran, so each is counted on the cheapest of "
        f"{', '.join(places)} that fits what it asks for, or needs where it asks for nothing ({names})."
    )


def changes_title(count: int) -> str:
    if count == 0:
        return "Changes"
    shown = min(count, SHOWN_CHANGES)
    if shown == 1:
        return "The change that saves most"
    return f"The {('two', 'three')[shown - 2]} changes that save most"


def changes_aside(review: RunReview, costs: Costs) -> str:
    others = review.changes[SHOWN_CHANGES:]
    if not others:
        return ""
    rest = costs.text(sum(change.saving_usd for change in others))
    return f"{fmt.plural(len(others), 'more step')} could save {rest} together."


def no_changes(review: RunReview) -> str:
    if review.totals.usd is None:
        return "Without prices it is not known what would save money."
    return "No step asks for so much more than it needs that changing it would be worth a cent a month."


def comparison_summary(review: RunReview) -> str:
    if not review.earlier:
        return "The first tracked run of this flow: nothing to compare with yet."
    return fmt.plural(len(review.earlier), "earlier run")


def notes(review: RunReview) -> Iterable[Fact]:
    yield Fact(label="Attempts", text=_attempts(review))
    if review.killed:
        yield Fact(label="Killed", text=" ".join(killed(review)))
    notes = [with_vendor_names(note) or "" for note in review.notes]
    yield Fact(label="Prices", text=" ".join([f"On-demand, {review.prices}.", *notes]))
    yield Fact(
        label="Bought nothing",
        text="All of an attempt that failed or was retried. Of the others the CPUs and GPUs that stood idle on "
        "average, and the memory above the peak, each at its part of the price.",
    )
    yield Fact(label="Left out", text="Storage, network traffic, and machines that wait for tasks or start up.")


def killed(review: RunReview) -> tuple[str, ...]:
    """Of each step whose memory may not be cut, how many attempts are the reason."""
    return tuple(
        f"{step}: {without_trace(lost)} Its memory is not advised below the request."
        for step, lost in review.killed.items()
    )


def _attempts(review: RunReview) -> str:
    parts = [f"{fmt.plural(review.attempts, 'attempt')} of {fmt.plural(review.tasks, 'task')}"]
    untracked = [step.name for step in review.steps if step.aside == "not tracked"]
    running = [step.name for step in review.steps if step.aside == "running"]
    if running:
        parts.append(f"still running, and not counted in the costs: {', '.join(running)}")
    if untracked:
        parts.append(f"not tracked, and not counted in the costs: {', '.join(untracked)}")
    if review.uncosted:
        parts.append(f"{fmt.plural(review.uncosted, 'attempt')} without a known cost")
    if review.cloned:
        parts.append(f"{fmt.plural(review.cloned, 'task')} cloned from another run cost nothing here")
    return "; ".join(parts) + "."
