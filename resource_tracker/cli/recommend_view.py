"""What a terminal shows of a flow's recommendations: asked, used, advised, saved; then the lines to paste."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resource_tracker.cli.bound_words import bound_text
from resource_tracker.cli.recommendations import Recommendations, StepRecommendation
from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.cli.words import why_failed
from resource_tracker.damping import advised_for
from resource_tracker.records import Recommendation
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name
from resource_tracker.report.findings import chance_text, policy_text
from resource_tracker.savings import total

_COLUMNS = (
    "step",
    "CPU\nasked",
    "CPU\nused",
    "CPU\nadvised",
    "memory\nasked",
    "memory\npeak",
    "memory\nadvised",
    "GPU\nasked",
    "GPU\nused",
    "GPU\nadvised",
    "saved\nper run",
    "saved\nper month",
)
_OPTIONAL = (
    *("GPU\nused", "CPU\nused", "memory\npeak", "saved\nper month"),
    *("GPU\nasked", "CPU\nasked", "memory\nasked", "saved\nper run"),
)
_INDENT = "  "


def show_recommendations(terminal: Terminal, found: Recommendations, *, verbose: bool) -> None:
    """The table, the lines to paste, and what a reader must know; with `verbose`, the reason for each number."""
    runs, where = len(found.recent.runs), found.recent.where
    latest = "the latest tracked run" if runs == 1 else f"the latest {runs} tracked runs"
    terminal.heading(f"{found.recent.flow}: {latest} {where}")
    terminal.line()
    terminal.table(_table(found))
    terminal.line()
    for text in (_runs(found), *_about_untracked(found), *_about_money(found)):
        terminal.paragraph(text)
    terminal.line()
    _show_lines(terminal, found, verbose)


def _runs(found: Recommendations) -> str:
    """Which runs the advice rests on."""
    ids = [run.run_id for run in found.recent.runs]
    text = f"Run {ids[0]}" if len(ids) == 1 else f"Runs {ids[-1]} to {ids[0]}"
    if found.recent.died:
        text += f"; {fmt.plural(len(found.recent.died), 'run')} ended without any measurement"
    if found.recent.running:
        text += f"; {fmt.plural(found.recent.running, 'run')} still running"
    if found.recent.untracked:
        text += f"; {fmt.plural(found.recent.untracked, 'run')} not tracked"
    return text + "."


def _about_untracked(found: Recommendations) -> Iterator[str]:
    """Steps without advice, which a sum leaves out."""
    names = found.untracked
    if names:
        yield f"Not tracked, and so without advice: {fmt.joined(names)}."


def _table(found: Recommendations) -> Table:
    saved = [step.saving.saved_per_run for step in found.steps]
    decimals = _decimals_of_run(found), _decimals([found.per_month(amount) for amount in saved])
    rows = [_row(found, step, decimals) for step in found.steps]
    whole = total(saved)
    if len(rows) > 1 and whole is not None:
        known = all(amount is not None for amount in saved) and not found.untracked
        name = "all steps" if known else "sum"
        money = _money(whole, decimals[0]), _money(found.per_month(whole), decimals[1])
        rows.append([name, *[""] * (len(_COLUMNS) - 3), *money])
    columns = [name.replace("advised", "estimate") if found.at_estimate else name for name in _COLUMNS]
    return Table(columns=columns, rows=rows, numbers=frozenset(columns[1:]), optional=_OPTIONAL)


def _row(found: Recommendations, step: StepRecommendation, decimals: tuple[int, int]) -> list[str]:
    used, asked, advised = step.advice.used, step.asked, step.advised
    busy = used.cpu_p95_cores if used.cpu_p95_cores is not None else used.cpu_max_cores
    gpu = asked.get("gpu") or (advised.gpu if advised else 0)
    saved = step.saving.saved_per_run
    cells = [
        fmt.whole(asked.get("cpu")),
        fmt.cores(busy),
        str(advised.cpu) if advised else "",
        fmt.memory_mb(asked.get("memory")),
        fmt.memory_kib(used.memory_peak_kib),
        fmt.memory_mb(advised.memory_mb) if advised else "",
        fmt.whole(asked.get("gpu")),
        fmt.cores(used.gpu_utilized_max) if gpu else "",
        str(advised.gpu) if advised and gpu else "",
        _money(saved, decimals[0]),
        _money(found.per_month(saved), decimals[1]),
    ]
    name = f"{step.name} ×{step.tasks_per_run}" if step.tasks_per_run > 1 else step.name
    return [name, *("" if cell == fmt.UNKNOWN else cell for cell in cells)]


def _decimals_of_run(found: Recommendations) -> int:
    return _decimals([step.saving.saved_per_run for step in found.steps])


def _decimals(amounts: Iterable[float | None]) -> int:
    """So many that a column lines up, and the smallest amount of it still says something."""
    return fmt.usd_decimals(abs(amount) for amount in amounts if amount)


def _money(amount: float | None, decimals: int) -> str:
    return "" if amount is None else fmt.usd(amount, decimals)


def _about_money(found: Recommendations) -> list[str]:
    """What the amounts are based on, and why there are none where there are none."""
    said = []
    if any(step.saving.saved_per_run is not None for step in found.steps):
        said.append(_rate(found))
        said.extend(_in_the_end(found))
    assumed = _assumed(found)
    if assumed:
        why = "where it ran is not known, so a machine is assumed, the cheapest that fits the request"
        said.append(f"Savings are an estimate and no bill: {why}: {assumed}.")
    notes: dict[str, list[str]] = {}
    for step in found.steps:
        for note in step.saving.notes:
            notes.setdefault(note, []).append(step.name)
    said.extend(f"{fmt.joined(names)}: {note}" for note, names in notes.items())
    return said


def _rate(found: Recommendations) -> str:
    if found.runs_per_month is None:
        return "What is saved in a month cannot be told yet: the runs began within less than a day."
    runs, often = len(found.recent.started_at), fmt.number(found.runs_per_month, 2)
    return f"A month is {often} runs, as often as the flow runs at present (by its latest {runs} runs)."


def _in_the_end(found: Recommendations) -> Iterator[str]:
    """What is saved once the estimates are reached, where the advice goes there in more than one go."""
    whole, final = (total(amounts) for amounts in zip(*map(_saved, found.steps), strict=True))
    now, per_run = (_money(amount, _decimals_of_run(found)) for amount in (whole, final))
    if now != per_run:
        month = found.per_month(final)
        in_month = "" if month is None else f", {fmt.usd(month)} per month"
        yield f"The estimates, to which the advice goes by half at a time, save {per_run} per run{in_month}."


def _saved(step: StepRecommendation) -> tuple[float | None, float | None]:
    return step.saving.saved_per_run, step.saved_in_the_end


def _assumed(found: Recommendations) -> str:
    """The assumed machines: ``m5a.xlarge and r5a.large in AWS us-east-1``."""
    places: dict[str, dict[str, None]] = {}
    for step in found.steps:
        for offer in step.saving.assumed:
            place = f"{vendor_name(offer.instance.vendor)} {offer.region}"
            places.setdefault(place, {})[offer.instance.name] = None
    return "; ".join(f"{fmt.joined(list(names))} in {place}" for place, names in places.items())


def _show_lines(terminal: Terminal, found: Recommendations, verbose: bool) -> None:
    policies = sorted({step.advised.policy for step in found.steps if step.advised})
    by = f", by policy {fmt.joined(policies)}" if policies else ""
    terminal.heading(f"What to request next time{by}")
    width, decimals = max(len(step.name) for step in found.steps), _decimals_of_run(found)
    for step in found.steps:
        advised = step.advised
        if advised is None:
            terminal.line(f"{_INDENT}{step.name:{width}}  no advice: {step.advice.advice}")
            continue
        as_it_is = "  as it is" if step.suffices else ""
        policy = f"  {advised.policy}" if len(policies) > 1 else ""
        terminal.line(f"{_INDENT}{step.name:{width}}  {advised.as_text()}{policy}{as_it_is}")
        if verbose:
            _show_reasons(terminal, step, advised)
        for note in dict.fromkeys((*advised.notes, *step.advice.notes)):
            terminal.paragraph(note, indent=4)
        if step.failed:
            terminal.paragraph(_failures(step), indent=4)
        now, final = (_money(amount, decimals) for amount in _saved(step))
        if now != final:
            terminal.paragraph(f"With the estimate it saves {final} per run.", indent=4)
    risk = _risk(found, verbose)
    failed = next(_runs_with_failures(found), None)
    if risk or failed:
        terminal.line()
    if risk:
        terminal.paragraph(risk)
    if failed:
        terminal.paragraph(why_failed(failed))


def _runs_with_failures(found: Recommendations) -> Iterator[str]:
    """Runs in which a measured attempt failed of a step that is shown, the newest first."""
    shown = {step.name for step in found.steps if step.failed}
    for run in (*found.recent.runs, *found.recent.died):
        if any(one.step in shown and one.status not in ("ok", "running") for one in run.known):
            yield f"{found.recent.flow}/{run.run_id}"


def _failures(step: StepRecommendation) -> str:
    """How many attempts failed, and of these for lack of memory."""
    whole = fmt.plural(step.attempts, "attempt")
    if not step.out_of_memory:
        none = "not" if step.failed == 1 else "none"
        return f"{step.failed} of {whole} failed, {none} for lack of memory as far as is known."
    which = "for lack of memory" if step.out_of_memory == step.failed else f"{step.out_of_memory} for lack of memory"
    return f"{step.failed} of {whole} failed{',' if step.out_of_memory < step.failed else ''} {which}."


def _show_reasons(terminal: Terminal, step: StepRecommendation, advised: Recommendation) -> None:
    """Each number with its reason, what held the step up, and how many attempts that rests on."""
    amounts = advised_for(advised, step.advice.request)
    named = {f"{name}={number}": advised.reasons.get(name) for name, number in amounts.items()}
    width = max(len(number) for number in named) + 2
    for number, reason in named.items():
        if reason:
            terminal.paragraph(f"{number:{width}}{reason}", indent=4, hanging=width)
    if step.advice.bound:
        terminal.paragraph(bound_text(step.advice.bound), indent=4)
    basis = f"Based on {fmt.plural(step.advice.tasks, 'task')} of {fmt.plural(step.advice.runs, 'run')}."
    if advised.expected_failure_rate is not None:
        basis += f" {policy_text(advised, advised.expected_failure_rate)}"
    terminal.paragraph(basis, indent=4)


def _risk(found: Recommendations, verbose: bool) -> str | None:
    """The step that is most likely to need more memory; nothing where it stands below each step."""
    rates = [
        (step.advised.expected_failure_rate, step.name, step.advised)
        for step in found.steps
        if step.advised and step.advised.expected_failure_rate is not None
    ]
    if verbose or not rates:
        return None
    rate, name, advised = max(rates, key=lambda one: one[:2])
    whose = f" is highest for {name}:" if len(rates) > 1 else " is"
    return f"The chance that the next run needs more memory than that{whose} {chance_text(advised, rate)}."
