"""Changes to the arguments of a flow's resource decorators, so that its steps ask for what is advised. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from resource_tracker.dataclass import dataclass
from resource_tracker.flow_source import Argument, Decorator, FlowSource, StepSource
from resource_tracker.source_text import Edit, SourceText

ENOUGH = 1.10
"""A request up to so many times the advice is left alone: it suffices, and a change would save next to nothing."""
LEAST_KEPT = 0.5
"""No request is cut to less than this share of itself at once."""
_DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "resources": {"cpu": 1, "memory": 4096},
    "batch": {"cpu": 1, "memory": 4096},
    "kubernetes": {"cpu": 1, "memory": 4096, "disk": 10240},
}
"""What Metaflow takes for an argument that is not there. Source: ``defaults`` of its decorators."""
_QUOTES = "'\""
_UNTIL_COMMA = re.compile(r"(?:\s|\\\r?\n|#[^\r\n]*)*,?")
_END_OF_LINE = re.compile(r"[ \t\f]*(?:#[^\r\n]*)?(?=\r|\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """One number of a step's request, in Metaflow's unit.

    Parameters
    ----------
    advised : int
        What to ask for next time.
    needed : int
        The estimate of the need: below `advised` where a request is cut in more than one go.
    asked : float or None
        What was asked for in the runs that the advice rests on; ``None`` where nothing was.
    """

    advised: int
    needed: int
    asked: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """Edits to a flow's file, the steps that they are for, and what had to be left alone, by step."""

    edits: tuple[Edit, ...] = ()
    steps: tuple[str, ...] = ()
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def rewrite(flow: FlowSource, wanted: Mapping[str, Mapping[str, Amount]]) -> Rewritten:
    """What to change so that each step asks for what is advised.

    Parameters
    ----------
    wanted : mapping
        For each step its amounts by the name of their argument: ``cpu``, ``memory``, ``gpu``, ... Steps that the file
        does not have, or has more than once, are passed over.
    """
    edits: list[Edit] = []
    steps: list[str] = []
    notes: dict[str, tuple[str, ...]] = {}
    for name, amounts in wanted.items():
        step = flow.steps.get(name)
        if step is None or step.again_in or not step.decorators:
            continue
        change = _StepChange(flow.source, step)
        for argument, amount in amounts.items():
            change.ask(argument, amount)
        found = list(change.edits())
        if found:
            edits.extend(found)
            steps.append(name)
        if change.notes:
            notes[name] = change.notes
    return Rewritten(edits=tuple(edits), steps=tuple(steps), notes=notes)


class _StepChange:
    """Changes to the decorators of one step.

    Metaflow asks for the larger of ``@resources`` and ``@kubernetes`` or ``@batch``, and a missing argument counts with
    its default, but in ``@batch`` below ``@resources``: so each may have to be cut, and it is enough to raise one.
    """

    def __init__(self, source: SourceText, step: StepSource) -> None:
        self._source = source
        self._step = step
        by_rank = sorted(step.decorators, key=lambda decorator: decorator.name != "resources")
        self._first, self._decorators = by_rank[0], by_rank
        self._new_values: list[tuple[Argument, int]] = []
        self._added: dict[int, list[tuple[str, int]]] = {}
        self._unknown: dict[str, list[str]] = {}
        self._notes: list[str] = []

    def ask(self, name: str, amount: Amount) -> None:
        """Have the step ask for an amount, as far as its decorators say it in plain numbers."""
        unknown = [text for decorator in self._decorators for text in self._expressions(decorator, name)]
        if amount.advised or amount.asked:
            for text in unknown:
                self._unknown.setdefault(text, []).append(f"{name}={amount.advised}")
        asked = {d.name_end: value for d in self._decorators if (value := self._asked(d, name)) is not None}
        in_force = max(asked.values(), default=0.0)
        if in_force < amount.needed and in_force < amount.advised:
            if not unknown:
                self._raise(name, amount, asked)
            return
        for decorator in self._decorators:
            value = asked.get(decorator.name_end)
            if value is not None and value > ENOUGH * amount.advised:
                self._cut(decorator, name, value, amount)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left alone, and why."""
        unknown = (f"{text} is left alone; advised: {', '.join(advised)}" for text, advised in self._unknown.items())
        return (*unknown, *self._notes)

    def edits(self) -> Iterator[Edit]:
        """The edits, of values first, then of what is added."""
        for argument, number in self._new_values:
            before = self._source.text[argument.value_start : argument.value_end]
            yield Edit(start=argument.value_start, end=argument.value_end, text=_written_like(before, number))
        for decorator in self._decorators:
            added = self._added.get(decorator.name_end)
            if added:
                yield from _added_arguments(self._source, decorator, [f"{name}={number}" for name, number in added])

    def _expressions(self, decorator: Decorator, name: str) -> Iterator[str]:
        argument = decorator.argument(name)
        if argument is not None and not argument.plain:
            written = " ".join(self._source.text[argument.start : argument.end].split())
            yield f"{written} of @{decorator.written} (line {decorator.line}) is no plain number and"
        elif argument is None and decorator.open_ended:
            yield f"@{decorator.written} (line {decorator.line}) takes arguments by position or ** and"

    def _asked(self, decorator: Decorator, name: str) -> float | None:
        """What a decorator asks for; ``None`` where it leaves that to others, or nobody can tell."""
        argument = decorator.argument(name)
        if argument is not None and (not argument.plain or argument.number is not None):
            return argument.number
        if argument is None and decorator.open_ended:
            return None
        counts = decorator is self._first or decorator.name != "batch"
        return _DEFAULTS[decorator.name].get(name) if counts else None

    def _raise(self, name: str, amount: Amount, asked: Mapping[int, float]) -> None:
        largest = max(self._decorators, key=lambda decorator: asked.get(decorator.name_end, -1.0))
        written = [d for d in (largest, *self._decorators) if d.argument(name)]
        self._set(written[0] if written else self._first, name, amount.advised)

    def _cut(self, decorator: Decorator, name: str, value: float, amount: Amount) -> None:
        changed = amount.asked is not None and value != amount.asked
        if changed and amount.advised < LEAST_KEPT * value:
            self._notes.append(
                f"{name} is {value:g} in the file, but was {amount.asked:g} in the runs: left alone until it has run so"
            )
            return
        self._set(decorator, name, amount.advised)

    def _set(self, decorator: Decorator, name: str, number: int) -> None:
        argument = decorator.argument(name)
        if argument is not None:
            self._new_values.append((argument, number))
        else:
            self._added.setdefault(decorator.name_end, []).append((name, number))


def _written_like(before: str, number: int) -> str:
    """A number in quotes stays in quotes, one with underscores keeps them."""
    text = f"{number:_}" if "_" in before else str(number)
    return f"{before[0]}{text}{before[0]}" if before[0] in _QUOTES else text


def _added_arguments(source: SourceText, decorator: Decorator, arguments: Iterable[str]) -> Iterator[Edit]:
    """Arguments after the last, each on a line of its own where that one is."""
    added = list(arguments)
    if not decorator.called:
        yield _insertion(decorator.name_end, f"({', '.join(added)})")
        return
    if not decorator.arguments:
        yield _insertion(source.text.index("(", decorator.name_end) + 1, ", ".join(added))
        return
    last = decorator.arguments[-1]
    indentation = source.before_on_line(last.start)
    if indentation.strip():
        yield _insertion(last.end, "".join(f", {argument}" for argument in added))
        return
    comma = _UNTIL_COMMA.match(source.text, last.end, decorator.end - 1)
    comma_end = comma.end() if comma and comma.group().endswith(",") else None
    line_end = _END_OF_LINE.match(source.text, comma_end or last.end, decorator.end - 1)
    lines = [f"{source.newline()}{indentation}{argument}" for argument in added]
    if line_end is None:
        yield _insertion(last.end, "," + ",".join(lines))
    elif comma_end is not None:
        yield _insertion(line_end.end(), "".join(f"{line}," for line in lines))
    else:
        yield _insertion(last.end, ",")
        yield _insertion(line_end.end(), ",".join(lines))


def _insertion(offset: int, text: str) -> Edit:
    return Edit(start=offset, end=offset, text=text)
