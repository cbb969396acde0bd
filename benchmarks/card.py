"""How large a card and an artifact get, and how long the final card takes."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import environments, steps
from benchmarks.measure import clean_environment, run, say
from benchmarks.tables import Table, against, kilobytes, milliseconds

PROGRAM = Path(__file__).parent / "programs" / "render.py"
SITUATIONS = {"short": "10 s", "hour": "1 h at 1 s", "gpu": "30 min with a GPU", "day": "24 h at 1 s"}
USUAL_CARD_BYTES, DAY_CARD_BYTES, DAY_ARTIFACT_BYTES = 150_000, 250_000, 1_000_000
DAY_RENDER_MS = 500.0


def measure(folder: Path, quick: bool) -> list[Table]:
    """Made-up records of usual lengths, rendered in processes of their own; then a real card of each kind."""
    return [_made_up(folder, 1 if quick else 5), _real(folder)]


def _made_up(folder: Path, rounds: int) -> Table:
    found = Table("Card and artifact by length of the step", ("", "card", "target", "artifact", "first", "again"))
    for situation, name in SITUATIONS.items():
        say(f"card of {name}")
        taken = [_render(folder, situation) for _ in range(rounds)]
        first_ms, again_ms = (sorted(one[key] for one in taken)[len(taken) // 2] for key in ("first_ms", "again_ms"))
        day = situation == "day"
        limit = DAY_CARD_BYTES if day else USUAL_CARD_BYTES
        one = taken[0]
        found.add(
            name,
            kilobytes(one["card_bytes"]),
            against(one["card_bytes"], limit, f"<= {kilobytes(limit)}"),
            kilobytes(one["artifact_bytes"]),
            milliseconds(first_ms),
            milliseconds(again_ms),
        )
        if day:
            artifact = against(one["artifact_bytes"], DAY_ARTIFACT_BYTES, f"<= {kilobytes(DAY_ARTIFACT_BYTES)}")
            render = against(first_ms, DAY_RENDER_MS, f"<= {DAY_RENDER_MS:.0f} ms")
            found.notes.append(f"24 h: artifact {artifact}; first card of a process {render}.")
    found.notes.append(
        "CPU time; `first` loads Jinja2 and the templates, as a task does. Artifacts as Metaflow stores them."
    )
    return found


def _render(folder: Path, situation: str) -> dict[str, float]:
    result: dict[str, float] = json.loads(
        run([environments.ours(), PROGRAM, situation], clean_environment(folder), folder).output
    )
    return result


def _real(folder: Path) -> Table:
    found = Table("A real card, step of 3 s", ("", "size"))
    runs, notes = steps.variants(folder)
    for name in (steps.WITH_CARD, steps.PEER):
        if name in runs:
            say(f"card of a real step, {name}")
            runs[name].whole_run(3)
            size = runs[name].card_bytes()
            found.add("ours" if name == steps.WITH_CARD else name, "no card" if size is None else kilobytes(size))
    found.notes += notes
    return found
