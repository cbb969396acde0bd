"""The table of what the step marked: each stretch, or one row for the rounds of a loop."""

from __future__ import annotations

from resource_tracker.dataclass import replace
from resource_tracker.records import Ending, Outcome, Span, TaskRecord
from resource_tracker.report.ending import ending_panel
from resource_tracker.report.spans import EACH_UP_TO, MAX_SPANS, SpanRow, span_data, span_table, where_it_was
from resource_tracker.testing import fake_record

NBSP = "\u00a0"


def record_of(*spans: Span, status: str = "ok") -> TaskRecord:
    return replace(fake_record("hour"), spans=spans, outcome=Outcome(status=status))  # type: ignore[arg-type]


def rows_of(*spans: Span, status: str = "ok") -> tuple[SpanRow, ...]:
    return span_table(record_of(*spans, status=status)).rows


def rounds(many: int, label: str = "epoch", depth: int = 0, start_s: float = 10.0) -> list[Span]:
    return [
        Span(
            label=label,
            start_s=start_s + number,
            end_s=start_s + number + (0.5 if number else 0.9),
            depth=depth,
            cpu_seconds=0.25,
            memory_peak_kib=1000.0 * (number + 1),
            cost_usd=0.01,
        )
        for number in range(many)
    ]


def test_a_few_of_a_name_are_listed_one_by_one() -> None:
    """Each with its figures, and drawn in the charts."""
    rows = rows_of(*rounds(EACH_UP_TO))
    assert [row.label for row in rows] == ["epoch"] * EACH_UP_TO
    assert rows[0].cells[:5] == (f"10{NBSP}s", f"900{NBSP}ms", f"250{NBSP}ms", "0.28", f"1.02{NBSP}MB")
    assert all(row.is_drawn for row in rows)


def test_the_rounds_of_a_loop_are_one_row() -> None:
    """It says how many there were and how long the longest took; sums and the highest peak are those of all."""
    (row,) = rows_of(*rounds(20))
    assert row.label == f"epoch (20×, the longest 900{NBSP}ms)"
    assert row.cells[1:5] == (f"10.4{NBSP}s", f"5{NBSP}s", "0.48", f"20{NBSP}MB")
    assert (row.start_s, row.end_s, row.is_drawn) == (10.0, 29.5, True)
    table = span_table(record_of(*rounds(20)))
    assert len(table.heads) == len(row.cells)


def test_a_loop_that_goes_on_has_no_end_yet() -> None:
    """The round that is open counts with the time that it took so far."""
    (row,) = rows_of(*rounds(20), Span(label="epoch", start_s=3599.0), status="running")
    assert (row.label[:11], row.end_s, row.is_drawn) == ("epoch (21×,", None, True)
    assert row.cells[1].endswith(", still open")


def test_rounds_that_were_added_up_before_count_too() -> None:
    """Those beyond the ones that are kept one by one; which took longest is not known then."""
    folded = Span(label="epoch", start_s=40.0, end_s=90.0, depth=3, cpu_seconds=10.0, count=1000, total_s=50.0)
    (row,) = rows_of(*rounds(20), folded)
    assert (row.label, row.cells[1], row.cells[2]) == ("epoch (1,020×)", f"1{NBSP}min", f"15{NBSP}s")
    assert row.end_s == 90.0
    (of_loop,) = rows_of(*rounds(20, depth=1), folded)
    assert (of_loop.depth, of_loop.is_drawn) == (1, False)


def test_rounds_with_others_between_are_not_drawn_over_them() -> None:
    """A loop of two parts is two rows, of which the charts show neither; what stands within is no hindrance."""
    both = [span for at in range(0, 16, 2) for span in (*rounds(1, "load", 0, at), *rounds(1, "train", 0, at + 1))]
    assert [(row.label.split(" ")[0], row.is_drawn) for row in rows_of(*both)] == [("load", False), ("train", False)]
    within = rounds(8, "batch", depth=1)
    assert [(row.label.split(" ")[0], row.depth, row.is_drawn) for row in rows_of(*rounds(8), *within)] == [
        ("epoch", 0, True),
        ("batch", 1, False),
    ]


def test_what_is_open_says_why() -> None:
    """Of a running step it goes on; of one that died it was cut off, and that is where it died."""
    (running,) = rows_of(Span(label="train", start_s=1.0), status="running")
    (dead,) = rows_of(Span(label="train", start_s=1.0), status="failed")
    assert running.cells[1].endswith(", still open")
    assert dead.cells[1].endswith(", cut off")
    assert running.end_s is None


def test_where_a_step_died_is_told() -> None:
    """The innermost block that was open, beside what ended the step; of one that ended well there is none."""
    spans = (Span(label="train", start_s=1.0), Span(label="epoch 3", start_s=60.0, depth=1), *rounds(2))
    dead = replace(
        record_of(*spans, status="failed"), ending=Ending(cause="killed by SIGKILL", evidence="It was killed.")
    )
    panel = ending_panel(dead)
    assert panel is not None
    told = panel.evidence.replace(NBSP, " ")
    assert told == "It was killed. It was in the marked block “epoch 3”, which began 1 min after the start."
    assert where_it_was(record_of(*spans)) == where_it_was(record_of(*rounds(2), status="failed")) == ""


def test_many_names_are_the_longest_ones() -> None:
    """The table stays readable, and says what it leaves out; the same rows are what a live update brings."""
    spans = [Span(label=f"part {n}", start_s=float(n), end_s=n + 0.001 * (n + 1)) for n in range(MAX_SPANS + 20)]
    table = span_table(record_of(*spans))
    assert (len(table.rows), table.rows[0].label) == (MAX_SPANS, "part 20")
    assert table.note == f"The {MAX_SPANS} longest; 20 shorter left out."
    assert [row[0] for row in span_data(record_of(*spans))] == [row.label for row in table.rows]
