"""``recommend --diff``: the advice as a diff of the flow's file, which itself is never written."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resource_tracker.cli.messages import say
from resource_tracker.decorator_edits import rewrite
from resource_tracker.errors import SourceError
from resource_tracker.flow_source import FlowSource, read_flow
from resource_tracker.source_diff import unified_diff
from resource_tracker.source_text import SourceText

if TYPE_CHECKING:
    from resource_tracker.cli.recommendations import Recommendations, StepRecommendation

_MOST_BYTES = 16_000_000
_STYLES = {"---": "bold", "+++": "bold", "@@ ": "cyan", "-": "red", "+": "green"}


def read_source(path: Path, flow_name: str) -> FlowSource:
    """The flow's class in its file.

    Raises
    ------
    SourceError
        The file cannot be read, is not Python, or does not define the flow.
    """
    try:
        content = _content(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return read_flow(SourceText(str(path), content), flow_name)


def _content(path: Path) -> bytes:
    """Of a regular file: a device or a pipe may never end, or never begin."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file: give the flow's Python file")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes: give the flow's Python file")
    return content


def print_diff(flow: FlowSource, path: Path, found: Recommendations) -> None:
    """The diff on standard output; on standard error how to apply it, and what it leaves alone.

    Raises
    ------
    SourceError
        The file lacks a step that the latest run has.
    """
    advised = {step.name: step for step in found.steps if step.advised is not None}
    for step in found.steps:
        if step.advised is None:
            say(f"{step.name}: no advice: {step.advice.advice}")
    here = {name: step for name, step in advised.items() if _is_in_file(flow, step, found)}
    changed = rewrite(flow, {name: step.amounts() for name, step in here.items()})
    after = flow.source.with_edits(changed.edits)
    name, folder = _place(path)
    _write(unified_diff(name, flow.source.content, after))
    for step in here.values():
        for note in (*_untouched(flow, step), *changed.notes.get(step.name, ()), *step.advice.notes):
            say(f"{step.name}: {note}")
        shared = flow.steps[step.name].shared
        if shared and step.name in changed.steps:
            say(f"{step.name}: stands in {shared}, from which other flows of the file inherit it")
    if changed.edits:
        where = f" in {folder}" if folder else ""
        say(f"{path} itself is not written: apply the diff{where} with `git apply -p0` or `patch -p0`")
    else:
        say(f"nothing to change in {path}")


def _is_in_file(flow: FlowSource, step: StepRecommendation, found: Recommendations) -> bool:
    """Whether the file has the step; a step that only older runs had may have gone."""
    if step.name in flow.steps:
        return True
    if flow.inherits:
        bases = " or ".join(flow.inherits)
        say(f"{step.name}: not in {flow.source.name}; where {bases} defines it, {_to_write(step)}")
    elif step.name in found.steps_of_latest_run:
        latest = f"{found.recent.flow}/{found.recent.runs[0].run_id}"
        raise SourceError(
            f"{flow.source.name} defines {flow.flow} without the step {step.name}, which {latest} has: "
            "give the file that it ran from, or leave the step out by --step"
        )
    else:
        say(f"{step.name}: no longer a step of {flow.flow}")
    return False


def _untouched(flow: FlowSource, step: StepRecommendation) -> list[str]:
    """What to say of a step that asks for nothing in the file: a diff that adds decorators would do more than asked."""
    source = flow.steps[step.name]
    if step.suffices:
        return []
    if source.again_in:
        lines = " and ".join(str(line) for line in (source.line, *source.again_in))
        return [f"defined more than once, in lines {lines}, and left alone: {_to_write(step)}"]
    if source.decorators:
        return []
    where = f"above @step, near line {source.line}"
    if step.advice.request.chosen:
        return [f"asks for its resources elsewhere, such as by --with, and not {where}: there, {_elsewhere(step)}"]
    imported = "" if flow.knows_resources else ", and `from metaflow import resources`"
    return [f"has no @resources: {where}, {_to_write(step)}{imported}"]


def _elsewhere(step: StepRecommendation) -> str:
    """The same numbers for ``--with``, which Metaflow does not look at where a step has that decorator of its own."""
    advised = step.advised
    if advised is None or advised.decorator == "resources":
        return _to_write(step)
    numbers = ",".join(f"{name}={number}" for name, number in advised.arguments().items())
    return f"write {advised.decorator}:{numbers}; in @resources a smaller number has no effect"


def _to_write(step: StepRecommendation) -> str:
    return f"write {step.advised}"


def _place(path: Path) -> tuple[str, str | None]:
    """The file's name for the diff, and the folder to apply it in where that is not the current one.

    Of a link it is the file behind it: neither ``git apply`` nor ``patch`` follows one.
    """
    real = os.path.realpath(path)
    relative = os.path.relpath(real, os.path.realpath(os.curdir))
    if relative.split(os.sep)[0] == os.pardir:  # no tool follows such a name
        return os.path.basename(real), os.path.dirname(real)
    return relative.replace(os.sep, "/"), None


def _write(diff: bytes) -> None:
    """As it is, for tools; in colours where a person looks."""
    from resource_tracker.cli.terminal import Terminal, is_terminal

    if not is_terminal(sys.stdout):
        sys.stdout.flush()
        sys.stdout.buffer.write(diff)
        return
    terminal = Terminal(sys.stdout)
    for line in diff.decode("utf-8", "replace").split("\n")[:-1]:
        style = next((style for start, style in _STYLES.items() if line.startswith(start)), None)
        terminal.line(line.rstrip("\r"), style)
