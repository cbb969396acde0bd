"""Numbers as the card writes them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.report import format as fmt
from resource_tracker.units import kib_to_whole_mb

NUMBERS = (fmt.number, fmt.data_size, fmt.memory_kib, fmt.memory_mb, fmt.memory_mib, fmt.machine_memory, fmt.cores)
ALL = (*NUMBERS, fmt.whole, fmt.percent, fmt.duration, fmt.usd, fmt.usd_per_hour, fmt.moment, fmt.count)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize("write", ALL)
@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_unknown_is_a_dash(write, value):
    """What was not measured is never written as a number."""
    assert write(value) == fmt.UNKNOWN


@pytest.mark.parametrize("write", ALL)
@given(value=st.floats(min_value=0, max_value=1e15))
def test_no_number_in_exponents(write, value):
    """Whatever its size, a number is written out and never as 1e+06."""
    if write is fmt.moment:
        value = min(value, 4e9)
    assert "e+" not in write(value) and "e-" not in write(value) and "nan" not in write(value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1.00 kB"),
        (563_273 * 1024, "577 MB"),
        (1.923e9, "1.92 GB"),
        (999_600_000, "1.00 GB"),
        (16e9, "16.0 GB"),
        (5e21, "5,000 EB"),
    ],
)
def test_data_size(size, text):
    """Three digits in the unit that keeps them below a thousand, also where rounding crosses it."""
    assert plain(fmt.data_size(size)) == text


@given(st.floats(min_value=10e6 / 1024, max_value=999.4e6 / 1024))
def test_a_peak_reads_alike_in_every_place(kib):
    """The card's figures and the reasons of the advice round alike; above 1 GB, and below 10 MB, to three digits."""
    assert plain(fmt.memory_kib(kib)) == f"{kib_to_whole_mb(kib)} MB"
    assert plain(fmt.memory_kib(999.6e6 / 1024)) == "1.00 GB"
    assert plain(fmt.memory_kib(1.234e6 / 1024)) == "1.23 MB"
    assert fmt.memory_bytes(math.nan) == fmt.UNKNOWN


def test_an_amount_in_a_sentence_stays_on_one_line():
    """Only between a number and its unit; words and other numbers may part."""
    text = "7 % above 6 attempts, 1,045 MB (run 12, task 2): the estimate is 3 CPUs, 40 MB/s and 2 Bananas."
    parted = fmt.unbroken(text).split(" ")
    assert [word for word in parted if fmt.NBSP in word] == [
        "7\u00a0%",
        "1,045\u00a0MB",
        "3\u00a0CPUs,",
        "40\u00a0MB/s",
    ]
    assert plain(fmt.unbroken(text)) == text


def test_memory_of_a_request_reads_as_it_was_written():
    """memory=16000 is 16.0 GB: the card counts as Metaflow does, not in GiB."""
    assert plain(fmt.memory_mb(16_000)) == "16.0 GB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.05, "50 ms"),
        (0.9999, "1 s"),
        (9.89, "9.9 s"),
        (59.96, "1 min"),
        (125, "2 min 5 s"),
        (3599.6, "1 h"),
        (3780, "1 h 3 min"),
        (7_170, "2 h"),
        (86_399, "1 d"),
        (187_200, "2 d 4 h"),
    ],
)
def test_duration(seconds, text):
    """Two units at most, and rounding never leaves 60 of anything."""
    assert plain(fmt.duration(seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (11.9, "11 s"),
        (60.0, "1 min 00 s"),
        (3609.0, "1 h 00 min 09 s"),
        (93784.0, "1 d 02 h 03 min 04 s"),
    ],
)
def test_time_that_is_counted(seconds, text):
    """The length of a running step has all its parts, two digits each but for the first."""
    assert plain(fmt.running(seconds)) == text


@given(st.floats(min_value=0, max_value=1e8))
def test_duration_never_shows_sixty(seconds):
    """No duration says 60 s or 60 min, nor 24 h."""
    assert not re.search(r"\b(60 (s|min)|24 h)\b", plain(fmt.duration(seconds)))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (0.00001, "<$0.0001"),
        (0.0034, "$0.0034"),
        (0.0672, "$0.067"),
        (1.005, "$1.00"),
        (12_345.6, "$12,346"),
    ],
)
def test_usd(amount, text):
    """Small amounts keep two digits, and none is rounded to nothing."""
    assert fmt.usd(amount) == text


def test_amounts_shown_together_have_the_same_decimals():
    """A column of costs takes its decimals from the smallest of them."""
    decimals = fmt.usd_decimals([0.384, 0.0672, None])
    assert [fmt.usd(amount, decimals) for amount in (0.384, 0.0672)] == ["$0.384", "$0.067"]


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(105, 100, "+5 %"), (95, 100, "−5 %"), (100.2, 100, "same"), (310, 100, "3.1×"), (5, 0, "–"), (None, 5, "–")],
)
def test_change(now, before, text):
    """Changes carry their sign; from twice on they are factors; nothing is compared with zero."""
    assert plain(fmt.change(now, before)) == text


def test_cores_never_round_use_to_nothing():
    """Little use is not no use."""
    assert [fmt.cores(v) for v in (0, 0.004, 0.5, 1.416, 12)] == ["0", "<0.01", "0.5", "1.42", "12"]


def test_moment_is_in_utc():
    """Times say their zone, whatever that of the reader or the machine."""
    assert fmt.moment(1_763_711_880.25) == "21 Nov 2025, 07:58 UTC"
    assert fmt.iso_moment(1_763_711_880.25) == "2025-11-21T07:58:00+00:00"


def test_elapsed_time_is_never_zero():
    """Nothing takes no time at all."""
    assert [plain(fmt.elapsed(s)) for s in (0.0, 0.0004, 0.0006, None)] == ["<1 ms", "<1 ms", "1 ms", "–"]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ("2025-11-21", "today"),
        ("2026-01-01", "today"),
        ("2025-11-20", "1 day"),
        ("2025-10-01", "51 days"),
        ("2025-06-01", "5 months"),
        ("2023-12-01", "23 months"),
        ("2020-08-30", "5 years"),
        ("soon", ""),
    ],
)
def test_age_of_a_day(day, text):
    """In days, months or years, the largest of which there are two; by UTC, whatever the zone of the machine."""
    assert plain(fmt.age(day, 1_763_711_880.25)) == text
    assert fmt.day(1_763_711_880.25) == "2025-11-21"


def test_joined():
    """Words as in a sentence."""
    assert [fmt.joined(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
