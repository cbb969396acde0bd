"""Text and tables for terminals and pipes, and the live status, without a command around them."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from resource_tracker.cli import main
from resource_tracker.cli.encoding import tolerate
from resource_tracker.cli.messages import printable
from resource_tracker.cli.terminal import Table, Terminal, display_width, plain_table
from resource_tracker.cli.views import show_record, show_summary, show_tasks
from resource_tracker.cli.words import lines_to_paste
from resource_tracker.records import NoRecommendation, Recommendation, TaskRecord
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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_an_encoding_without_our_characters(encoding: str) -> None:
    """What the stream's encoding lacks is written plainly, one character for one, so that columns stay aligned."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    tolerate(stream)
    Terminal(stream).table(table([["train ×3", "−5", "█▒░×"], ["日本", "–", "▁▄█"]]))
    stream.flush()
    lines = raw.getvalue().decode(encoding).splitlines()
    expected = {
        "ascii": ["train x3  -5     #=-x", "??      -      .:#"],
        "latin-1": ["train ×3  -5     #=-×", "??      -      .:#"],
        "cp1252": ["train ×3  -5     #=-×", "??      –      .:#"],
        "utf-8": ["train ×3  −5     █▒░×", "日本      –      ▁▄█"],
    }
    assert lines[1:] == expected[encoding]


def test_the_command_line_writes_in_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both standard streams are made so before anything is written."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    assert main(["--version"]) == 0
    for stream in streams:
        stream.write("3 × 4")
        stream.flush()
        assert stream.buffer.getvalue().endswith(b"3 x 4")  # type: ignore[attr-defined]


def test_errors_that_somebody_chose_are_kept() -> None:
    """``PYTHONIOENCODING=ascii:ignore`` is a wish of the user's."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="ignore")
    tolerate(stream)
    assert stream.errors == "ignore"


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


def test_what_a_step_marked_is_a_table() -> None:
    """With the figures of the card, and those within others indented; a step without marks has none."""
    table = shown(fake_record("marked")).split("\n\n")[3].splitlines()
    assert table[0].split()[:2] == ["marked", "from"]
    assert [line[:14].rstrip() for line in table[1:4]] == ["load data", "  read parquet", "train"]
    assert "3.13 GB" in table[3].replace("\u00a0", " ")
    assert "marked" not in shown(fake_record("hour"))


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
    """One line a task, retries with their attempt; every heading says what it is of; below, a line to paste."""
    stream = io.StringIO()
    show_tasks(Terminal(stream), "TrainFlow/1", (fake_record(name) for name in ("hour", "failed", "gpu")))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "TrainFlow/1"
    assert lines[2].split() == ["CPU"] * 3 + ["memory"] * 3 + ["GPU"] * 2
    assert lines[3].split()[3:] == [*("asked", "peak", "advised") * 2, "asked", "advised", "cost"]
    assert "(attempt 1)" in lines[5] and "Failed: MemoryError" in lines[5]
    assert lines[8] == "What to request next time"
    assert [line.split()[0] for line in lines[9:10]] == ["train"]
    run = "/".join((fake_record("failed").pathspec or "").split("/")[:2])
    assert lines[10:] == ["", f"Why attempts failed: resource-tracker why {run}"]


def advised(cpu: int, memory_mb: int, gpu: int = 0) -> Recommendation:
    return Recommendation(cpu=cpu, memory_mb=memory_mb, gpu=gpu)


def test_lines_to_paste() -> None:
    """A line for each step that is enough for all of its tasks."""
    lines = lines_to_paste([("a", advised(1, 512)), ("train", advised(2, 256)), ("a", advised(1, 448, gpu=1))])
    assert lines == ["a      @resources(cpu=1, memory=512, gpu=1)", "train  @resources(cpu=2, memory=256)"]


def test_a_reason_beside_each_number() -> None:
    """The advice's reasons stand beside its numbers, as the artifact has them."""
    record = fake_record("hour")
    assert isinstance(record.recommendation, Recommendation)
    text = shown(record)
    for name in ("cpu", "memory"):
        number = record.recommendation.cpu if name == "cpu" else record.recommendation.memory_mb
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {name}={number} "))
        assert line.endswith(record.recommendation.reasons[name])


def test_a_mean_of_readings_that_missed_it_is_a_dash() -> None:
    """A process too short to be looked at has a peak from the kernel, but no mean."""
    record = fake_record("hour")
    for mean_kib in (None, 0.0, 150.0):
        unseen = replace(
            record,
            usage=replace(record.usage, memory_mean_kib=mean_kib),
            process_metrics=record.process_metrics[:1],
        )
        memory = next(line for line in shown(unseen).splitlines() if line.startswith("Memory "))
        assert " – " in memory
    memory = next(line for line in shown(record).splitlines() if line.startswith("Memory "))
    assert " – " not in memory


def test_a_command_is_no_step() -> None:
    """What was written for a step is said of a command where one was measured."""
    record = replace(
        fake_record("hour"), pathspec=None, recommendation=NoRecommendation(reason="the step said nothing")
    )
    note = "It is not known where the step ran: prices of a default region are shown instead."
    text = shown(replace(record, pricing=replace(record.pricing, note=note)))
    assert "No advice for this command\n  The command said nothing.\n" in text
    assert "The cloud is not known: prices of a default region are shown instead." in text
    assert "where the step ran" in shown(replace(fake_record("hour"), pricing=replace(record.pricing, note=note)))
