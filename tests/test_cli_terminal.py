"""Text and tables for terminals and pipes, and the live status, without a command around them."""

from __future__ import annotations

import io

import pytest

from resource_tracker.cli.messages import printable
from resource_tracker.cli.terminal import Table, Terminal, display_width, plain_table
from resource_tracker.cli.views import show_record, show_summary, show_tasks
from resource_tracker.records import TaskRecord
from resource_tracker.testing import SITUATIONS, fake_record


def table(rows: list[list[str]], numbers: tuple[str, ...] = ()) -> Table:
    return Table(columns=["name", "count", "note"], rows=rows, numbers=frozenset(numbers))


def test_plain_table_is_aligned() -> None:
    """Text flush left, numbers flush right, two spaces between, nothing at the end of a line."""
    shown = plain_table(table([["a", "5", "x"], ["longer", "1,000", ""]], numbers=("count",)))
    assert shown.splitlines() == ["name    count  note", "a           5  x", "longer  1,000"]


def test_wide_and_combining_characters_are_aligned() -> None:
    """East Asian characters take two columns, combining ones none."""
    assert [display_width(text) for text in ("abc", "日本", "e\u0301", "")] == [3, 4, 1, 0]
    lines = plain_table(table([["日本", "1", "x"], ["abcd", "2", "y"]])).splitlines()
    assert lines[1].index("1") + 2 == lines[2].index("2")


def test_empty_columns_are_left_out() -> None:
    """A column in which nothing is known takes no place."""
    stream = io.StringIO()
    Terminal(stream).table(table([["a", "", "x"], ["b", "", "y"]]))
    assert stream.getvalue() == "name  note\na     x\nb     y\n"


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "a\x07b", "two\nlines", "\u202eright to left", "\ud800", "\x9b31m", "\r"]
)
def test_no_name_drives_the_terminal(hostile: str) -> None:
    """Escape sequences, line ends and invisible marks of direction become replacement characters."""
    text = printable(hostile)
    assert "\N{REPLACEMENT CHARACTER}" in text
    assert text.replace("\N{REPLACEMENT CHARACTER}", "").isprintable()


def test_ordinary_text_is_kept() -> None:
    """Letters of all scripts and signs stay as they are; a no-break space becomes a space."""
    assert printable("Größe 日本 × – 5\u00a0GB") == "Größe 日本 × – 5 GB"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_situation_can_be_shown(situation: str) -> None:
    """Whatever is known or missing of an attempt: no error, no escape sequence, no ``None`` and no ``nan``."""
    record = fake_record(situation)
    for show in (show_record, show_summary):
        stream = io.StringIO()
        show(Terminal(stream), record)
        text = stream.getvalue()
        assert text.startswith((record.pathspec or record.title)[:10])
        assert not any(bad in text for bad in ("\x1b", "None", "nan", "\u00a0", "\n\n\n"))


def shown(record: TaskRecord) -> str:
    stream = io.StringIO()
    show_record(Terminal(stream), record)
    return stream.getvalue()


def test_one_record_in_full() -> None:
    """Asked for, allowed, used and advised in one table; the line to paste; earlier runs; machines and the saving."""
    record = fake_record("hour")
    text = shown(record)
    assert text.splitlines()[2].split()[:4] == ["asked", "allowed", "mean", "peak"]
    assert f"  {record.recommendation}\n" in text
    assert "Compared with 5 earlier runs" in text
    assert "where it ran" in text
    assert "  Saving " in text


def test_gaps_are_told() -> None:
    """What was not measured says so: readings at start and end only, an attempt without any."""
    assert "Only readings at start and end were taken: " in shown(fake_record("start_end"))
    assert "was not measured" in shown(fake_record("untracked"))


def test_tasks_have_a_row_each() -> None:
    """One line a task, retries with their attempt, under the run's name."""
    stream = io.StringIO()
    show_tasks(Terminal(stream), "TrainFlow/1", (fake_record(name) for name in ("hour", "failed", "gpu")))
    lines = stream.getvalue().splitlines()
    assert (lines[0], len(lines)) == ("TrainFlow/1", 6)
    assert "(attempt 1)" in lines[4] and "Failed: MemoryError" in lines[4]
    assert "GPUs" in lines[2]
