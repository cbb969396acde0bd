"""Stretches that the step marks: what each used, whether rows end at its ends or not."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.records import Span
from resource_tracker.sampler.alarm import MAX_TRIES, MemoryAlarm, alarm_of
from resource_tracker.sampler.control import BEGIN, END, STAGE
from resource_tracker.sampler.spans import MAX_ENDING, MAX_LABELS, MAX_OPEN, MAX_SPANS, OTHERS, SPANS, Spans
from resource_tracker.sampler.spool_read import Spool
from resource_tracker.spans import priced, spans_of

TICKS_PER_S = 100
START_S = 50.0
"""Monotonic time of the attempt's start: spans count from it."""


class Life:
    """A sampler's rows and a task's words, in made-up time since the start."""

    def __init__(self) -> None:
        self.spans = Spans(START_S, TICKS_PER_S)

    def row(self, until_s: float, cpu_s: float, memory_kib: float, *, at_mark: bool = False) -> None:
        self.spans.row_closed(START_S + until_s, cpu_s * TICKS_PER_S, memory_kib, at_mark=at_mark)

    def mark(self, at_s: float, label: str, name: str = "m", level: str = "0") -> None:
        self.spans.act(STAGE, f"{level}:{name}:{_ns(at_s)}:{label.encode().hex()}")

    def begin(self, at_s: float, label: str, name: str, level: str = "0") -> None:
        """As a task says it: it learns only after the mark that there is a block."""
        self.mark(at_s, label, name, level)
        self.spans.act(BEGIN, f"{name}:{_ns(at_s)}:{label.encode().hex()}")

    def end(self, at_s: float, name: str, level: str = "0") -> None:
        self.spans.act(END, f"{name}:{level}:{_ns(at_s)}")

    def found(self) -> tuple[Span, ...]:
        return spans_of(self.spans.lines(), START_S)


def _ns(at_s: float) -> int:
    return round((START_S + at_s) * 1e9)


def test_marks_divide_the_attempt() -> None:
    """A mark's span begins at the mark before it, and where rows end at marks its figures are those of its rows."""
    life = Life()
    life.row(2.0, 1.5, 900.0)
    life.mark(2.0, "loaded data")
    life.row(3.0, 0.5, 400.0)
    life.row(5.0, 4.0, 700.0)
    life.mark(5.0, "trained")
    life.row(6.0, 1.0, 9999.0)
    assert life.found() == (
        Span(label="loaded data", start_s=0.0, end_s=2.0, cpu_seconds=1.5, memory_peak_kib=900.0),
        Span(label="trained", start_s=2.0, end_s=5.0, cpu_seconds=4.5, memory_peak_kib=700.0),
    )


def test_a_row_that_ends_late_at_a_mark() -> None:
    """What was used until the sampler came is divided; its peak is that of what ended, not of what began."""
    life = Life()
    life.row(1.0, 0.5, 100.0)
    life.begin(3.0, "train", "x")
    life.row(3.1, 2.1, 900.0, at_mark=True)
    life.row(5.0, 0.1, 300.0)
    life.end(5.0, "x")
    life.mark(5.0, "idle")
    assert [(s.label, s.cpu_seconds, s.memory_peak_kib) for s in life.found()] == [
        ("train", pytest.approx(0.2), 300.0),
        ("idle", 0.0, None),
    ]
    life = Life()
    life.mark(3.0, "loaded", "x")
    life.row(4.0, 2.0, 900.0, at_mark=True)
    life.spans.act(BEGIN, f"x:{_ns(3.0)}:{b'late word of the same mark'.hex()}")
    life.row(5.0, 1.0, 300.0)
    assert [(s.label, s.cpu_seconds, s.memory_peak_kib) for s in life.found()] == [
        ("late word of the same mark", pytest.approx(1.5), 300.0)
    ]


def test_what_a_row_has_is_divided_by_time() -> None:
    """Where marks come too often for rows, their CPU time is in proportion, and the row's peak counts for each."""
    life = Life()
    life.mark(1.0, "a")
    life.begin(2.0, "b", "x")
    life.end(2.5, "x")
    life.row(4.0, 2.0, 800.0)
    life.mark(4.0, "c")
    life.row(5.0, 1.0, 900.0)
    assert [(span.label, span.cpu_seconds, span.memory_peak_kib) for span in life.found()] == [
        ("a", 0.5, 800.0),
        ("b", 0.25, 800.0),
        ("c", 0.75, 800.0),
    ]


def test_blocks_stand_in_blocks() -> None:
    """Marks in a block divide the block; what follows it begins at its end; an open block has what it used so far."""
    life = Life()
    life.row(1.0, 0.1, 100.0)
    life.begin(1.0, "epoch", "e")
    life.row(2.0, 0.2, 300.0)
    life.mark(2.0, "batches", "m1", level="e")
    life.begin(2.0, "validation", "v", level="e")
    life.row(3.0, 0.4, 200.0)
    life.end(3.0, "v", level="e")
    life.row(4.0, 0.8, 100.0)
    life.mark(4.0, "saved", "m2", level="e")
    assert [(s.label, s.start_s, s.end_s, s.depth) for s in life.found()] == [
        ("epoch", 1.0, None, 0),
        ("batches", 1.0, 2.0, 1),
        ("validation", 2.0, 3.0, 1),
        ("saved", 3.0, 4.0, 1),
    ]
    epoch = life.found()[0]
    assert (epoch.cpu_seconds, epoch.memory_peak_kib, epoch.duration_s) == (pytest.approx(1.4), 300.0, None)
    life.end(4.0, "e")
    life.row(5.0, 1.6, 50.0)
    life.mark(5.0, "evaluated", "m3")
    epoch, *_, evaluated = life.found()
    assert (epoch.end_s, epoch.duration_s) == (4.0, 3.0)
    assert (evaluated.start_s, evaluated.depth, evaluated.cpu_seconds) == (4.0, 0, pytest.approx(1.6))


def test_stretches_of_two_threads_get_lanes_of_their_own() -> None:
    """Those that overlap without standing in each other are not drawn over each other."""
    life = Life()
    life.begin(1.0, "one", "a")
    life.begin(2.0, "two", "b")
    life.end(3.0, "a")
    life.begin(4.0, "three", "c")
    life.row(5.0, 1.0, 10.0)
    assert [(span.label, span.depth) for span in life.found()] == [("one", 0), ("two", 1), ("three", 0)]


def test_the_end_of_the_steps_code_ends_what_is_open() -> None:
    """After it, marks of whatever runs on change nothing."""
    life = Life()
    life.begin(1.0, "left open", "x")
    life.row(3.0, 1.0, 10.0)
    life.spans.close()
    life.mark(4.0, "too late")
    life.begin(4.0, "too late", "y")
    life.row(5.0, 1.0, 99.0)
    (span,) = life.found()
    assert (span.label, span.end_s, span.memory_peak_kib) == ("left open", 3.0, 10.0)


def test_many_stretches_are_added_up_by_label() -> None:
    """The first ones and the latest stay; the others are one span for each label, of a limited number of labels."""
    life = Life()
    for number in range(MAX_SPANS + 300):
        life.row(number + 1.0, 0.5, 100.0 + number)
        life.mark(number + 1.0, f"kind {number % (2 * MAX_LABELS)}")
    found = life.found()
    assert len(found) == MAX_SPANS + MAX_LABELS + 1
    assert sum(span.count for span in found) == MAX_SPANS + 300
    assert sum(span.cpu_seconds or 0 for span in found) == pytest.approx(0.5 * (MAX_SPANS + 300))
    assert max(span.memory_peak_kib or 0 for span in found) == 100.0 + MAX_SPANS + 299
    (others,) = (span for span in found if span.label == OTHERS)
    assert (others.count, others.total_s, others.duration_s) == (150, pytest.approx(150.0), pytest.approx(150.0))
    assert [span.count for span in found if span.end_s == MAX_SPANS + 300.0] == [1]


def test_a_block_after_many_stretches_is_no_stage() -> None:
    """What turns out to be a block's beginning is not added to its label."""
    life = Life()
    for number in range(MAX_SPANS + 10):
        life.begin(number, "epoch", f"e{number}")
        life.row(number + 1.0, 1.0, 10.0)
        life.end(number + 1.0, f"e{number}")
    found = life.found()
    assert sum(span.count for span in found) == MAX_SPANS + 10
    assert sum(span.cpu_seconds or 0 for span in found) == pytest.approx(MAX_SPANS + 10)


def test_marks_in_one_long_row_are_limited() -> None:
    """However many there are before the next row, they take little memory; what the last ones used is not known."""
    life = Life()
    for number in range(MAX_ENDING + 300):
        life.mark(number * 0.001, "x")
    life.row(10.0, 1.0, 1.0)
    found = life.found()
    assert len(found) <= MAX_SPANS + 1
    assert sum(span.count for span in found) == MAX_ENDING + 300


def test_blocks_that_are_never_left_are_limited() -> None:
    """A step that forgets to leave blocks does not fill the sampler's memory."""
    life = Life()
    for number in range(MAX_OPEN + 5):
        life.begin(1.0, "x", f"n{number}")
    assert len(life.found()) == MAX_OPEN


@pytest.mark.parametrize("told", ["", ":::", "0:m:1", "0:m:x:61", "0:m:1:zz", "0:m:1:ff", "e:m:1:61", "0:m:1:61:1"])
@pytest.mark.parametrize("word", [STAGE, BEGIN, END, "mark"])
def test_nonsense_is_left_out(word: str, told: str) -> None:
    """A message of another form, of another version or cut, changes nothing."""
    life = Life()
    life.spans.act(word, told)
    life.row(1.0, 1.0, 1.0)
    assert life.found() == ()


@given(
    st.lists(
        st.tuples(st.sampled_from([STAGE, BEGIN, END, "row"]), st.sampled_from("abc"), st.floats(0, 10)), max_size=30
    )
)
def test_any_order_of_words_and_rows(words: list[tuple[str, str, float]]) -> None:
    """Whatever comes when, nothing has more CPU time than there was, nor ends before it began."""
    life, now_s = Life(), 0.0
    for word, name, at_s in words:
        if word == "row":
            now_s += at_s
            life.row(now_s, at_s, at_s)
        elif word == END:
            life.end(at_s, name)
        else:
            life.spans.act(word, f"0:{name}:{_ns(at_s)}:61" if word == STAGE else f"{name}:{_ns(at_s)}:61")
    for span in life.found():
        assert span.cpu_seconds is None or -1e-6 <= span.cpu_seconds <= now_s + 1e-6
        assert span.end_s is None or span.end_s >= span.start_s >= 0


def test_unknown_figures_stay_unknown() -> None:
    """Without CPU times or memory there is a span all the same."""
    life = Life()
    life.row(1.0, math.nan, math.nan)
    life.mark(1.0, "a")
    assert life.found() == (Span(label="a", start_s=0.0, end_s=1.0),)


def test_the_file_is_replaced_when_there_is_news(tmp_path: Path) -> None:
    """Nothing is written without marks; what cannot be written is tried again; a cut line is left out."""
    life = Life()
    life.row(1.0, 1.0, 1.0)
    life.spans.write(str(tmp_path))
    assert os.listdir(tmp_path) == []
    life.mark(1.0, "a – b")
    life.spans.write(str(tmp_path / "gone"))
    life.spans.write(str(tmp_path))
    assert os.listdir(tmp_path) == [SPANS]
    text = (tmp_path / SPANS).read_text(encoding="utf-8")
    assert spans_of(text.split("\n"), START_S) == life.found()
    assert spans_of([text[:20]], START_S) == ()
    (tmp_path / SPANS).unlink()
    life.spans.write(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_who_looks_on_sees_marks_that_never_cease(tmp_path: Path) -> None:
    """However close marks are, the file is written once a second, and no more often."""
    life = Life()
    seen = []
    for number in range(100):
        at_s = 0.1 * (number + 1)
        life.mark(at_s, f"mark {number}")
        life.row(at_s, 0.01, 1.0)
        life.spans.write_now_and_then(str(tmp_path), START_S + at_s)
        seen.append((tmp_path / SPANS).read_text())
    assert 9 <= len(set(seen)) <= 11
    assert "mark 85" in seen[-1]


def test_costs_are_by_time() -> None:
    """Each span has its part of what the attempt cost; one that is open lasts until now."""
    spans = (
        Span(label="a", start_s=0.0, end_s=25.0),
        Span(label="b", start_s=90.0),
        Span(label="c", start_s=0.0, end_s=100.0, count=9, total_s=50.0),
    )
    assert [span.cost_usd for span in priced(spans, 4.0, 100.0)] == [1.0, pytest.approx(0.4), 2.0]
    assert [span.cost_usd for span in priced(spans, None, 100.0)] == [None, None, None]
    assert [span.cost_usd for span in priced(spans, 4.0, 0.0)] == [None, None, None]


# --- the warning ------------------------------------------------------------------------------


def test_the_alarm_speaks_once_through_the_tasks_own_log(tmp_path: Path) -> None:
    """At the threshold, not below; once; only into the file that the log was; and it does not wait for a full one."""
    reading, writing = os.pipe()
    pid = os.getpid()
    (tmp_path / str(pid) / "fd").mkdir(parents=True)
    (tmp_path / str(pid) / "fd" / "2").symlink_to(f"/proc/self/fd/{writing}")
    log = os.fstat(writing)
    text = "memory é".encode().hex()
    alarm = alarm_of(f"100.0:{pid}:{log.st_dev}:{log.st_ino}:{text}", str(tmp_path))
    elsewhere = alarm_of(f"100.0:{pid}:{log.st_dev}:{log.st_ino + 1}:{text}", str(tmp_path))
    assert alarm is not None
    assert elsewhere is not None
    assert [alarm.look(kib) for kib in (math.nan, 99.0, 100.0, 5000.0)] == [False, False, True, False]
    assert os.read(reading, 100).decode() == "memory é\n"
    assert not elsewhere.look(200.0)
    assert elsewhere.is_over
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    late = MemoryAlarm(str(tmp_path), pid, 100.0, (log.st_dev, log.st_ino), "late")
    assert not late.look(200.0)
    os.read(reading, 1 << 20)
    assert late.look(200.0)
    gone = MemoryAlarm(str(tmp_path), 1, 100.0, (0, 0), "nobody")
    assert not any(gone.look(200.0) for _ in range(MAX_TRIES))
    assert gone.is_over
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("told", ["", "1:2:3:4", "x:1:1:1:61", "1:1:1:1:zz", "1:1:1:1:ff"])
def test_an_alarm_of_nonsense(told: str) -> None:
    """No alarm, and no error."""
    assert alarm_of(told) is None


def test_a_spool_without_marks_has_no_spans() -> None:
    """The lines are part of what is read of a spool; there are none by default."""
    from resource_tracker.sampler.layout import Layout

    assert Spool(Layout({})).span_lines == []
