"""The figures of an attempt that task metadata keeps."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_record import sample_record
from strategies import task_records, task_summaries

from resource_tracker.errors import ArtifactError
from resource_tracker.records import CloudInfo, Recommendation, TaskRecord, TaskSummary
from resource_tracker.summary import MAX_SUMMARY_BYTES, decode_summary, encode_summary, summary_of
from resource_tracker.summary_bounds import why_not


def test_summary_of_a_record() -> None:
    """A summary says which attempt it is of, how it ended and what it used."""
    record = sample_record()
    usage = replace(record.usage, persist_memory_peak_kib=591621.0 + 400.0, cpu_max_cores=1.5)
    summary = summary_of(replace(record, usage=usage))
    assert (summary.run_id, summary.step, summary.task_id, summary.attempt) == ("12", "train", "34", 1)
    assert (summary.status, summary.finished_at, summary.duration_s) == ("failed", 1741732812.25, 9.75)
    assert (summary.cpu_mean_cores, summary.cpu_max_cores, summary.memory_peak_kib) == (0.79, 1.5, 591621.0)
    assert (summary.request_cpu, summary.request_memory_mb, summary.request_gpu) == (2.0, 4096.0, 0)
    assert (summary.vendor, summary.region, summary.instance_type) == ("aws", "us-east-1", "m6i.large")
    assert (summary.memory_limit_mib, summary.run_cost_usd) == (4096.0, 0.0003)
    assert summary.persist_growth_kib == 400.0


def test_input_shared_memory_and_disk_travel() -> None:
    """What sizes the next request besides memory and CPU is in the summary, with what the input's size means."""
    known = {"input_bytes": 5e9, "input_source": "self.n", "shared_memory_peak_kib": 64.0, "disk_growth_gb": 1.5}
    record = sample_record()
    summary = decode_summary(encode_summary(summary_of(replace(record, usage=replace(record.usage, **known)))))
    assert {name: getattr(summary, name) for name in known} == known


def test_policy_travels() -> None:
    """What the step's advice is for is known to who advises later; a summary of before has none, and reads."""
    record = sample_record()
    assert isinstance(record.recommendation, Recommendation)
    lean = replace(record, recommendation=replace(record.recommendation, policy="lean"))
    text = encode_summary(summary_of(lean))
    assert decode_summary(text).policy == "lean"
    assert decode_summary(text.replace(',"policy":"lean"', "")).policy is None


@pytest.mark.parametrize(
    ("step_peak", "persist_peak", "growth"),
    [(100.0, 150.0, 50.0), (100.0, 80.0, 0.0), (None, 80.0, None), (100.0, None, None)],
)
def test_persist_growth(step_peak: float | None, persist_peak: float | None, growth: float | None) -> None:
    """Growth while saving the artifacts is never negative, and unknown where either peak is."""
    record = sample_record()
    usage = replace(record.usage, memory_peak_kib=step_peak, persist_memory_peak_kib=persist_peak)
    assert summary_of(replace(record, usage=usage)).persist_growth_kib == growth


def test_unknown_cloud_is_none() -> None:
    """The word ``unknown`` does not travel into the history as if it were a vendor."""
    summary = summary_of(replace(sample_record(), cloud=CloudInfo()))
    assert (summary.vendor, summary.region, summary.instance_type) == (None, None, None)


def test_standalone_record() -> None:
    """A record without a task has its title as step."""
    summary = summary_of(replace(sample_record(), pathspec=None, title="python train.py"))
    assert (summary.run_id, summary.step, summary.task_id) == ("", "python train.py", "")


AMOUNTS = {
    name: st.floats(0, 1e6) if name == "duration_s" else st.none() | st.floats(0, 1e6)
    for name, hint in get_type_hints(TaskSummary).items()
    if hint in (float, float | None)
}
COUNTS = {
    name: st.integers(0, 10**6) if name == "attempt" else st.none() | st.integers(0, 10**6)
    for name, hint in get_type_hints(TaskSummary).items()
    if hint in (int, int | None)
}
DECORATORS = st.none() | st.lists(st.sampled_from(["resources", "batch", "kubernetes"]), min_size=1).map(tuple)
WORDS = {"request_decorators": DECORATORS, "request_written_in": DECORATORS, "request_chosen": st.none()}


@given(task_summaries(**AMOUNTS, **COUNTS, **WORDS))
def test_round_trip(summary: TaskSummary) -> None:
    """Every summary that can be reads back exactly, from one line of plain ASCII."""
    text = encode_summary(summary)
    assert decode_summary(text) == summary
    assert text.isascii()
    assert "\n" not in text


@given(task_records())
def test_every_record_has_a_summary(record: TaskRecord) -> None:
    """Whatever a record holds, its summary can be written; and read, where all of it can be."""
    summary = summary_of(record)
    text = encode_summary(summary)
    if why_not(summary) is None:
        assert decode_summary(text) == summary
    else:
        with pytest.raises(ArtifactError):
            decode_summary(text)


def test_size() -> None:
    """A summary is small; one with absurd names is refused rather than stored."""
    summary = summary_of(sample_record())
    assert len(encode_summary(summary)) < 800
    with pytest.raises(ArtifactError, match=str(MAX_SUMMARY_BYTES)):
        encode_summary(replace(summary, step="x" * 9000))


def test_what_is_not_finite_is_unknown() -> None:
    """nan and infinity are not written: JSON has neither."""
    summary = replace(summary_of(sample_record()), cpu_mean_cores=math.nan, cpu_max_cores=math.inf)
    found = decode_summary(encode_summary(summary))
    assert (found.cpu_mean_cores, found.cpu_max_cores) == (None, None)


def test_fields_of_a_later_package() -> None:
    """A field that this package does not know is left out; one that an older one did not write is None."""
    found = json.loads(encode_summary(summary_of(sample_record())))
    found["color"] = "blue"
    del found["cpu_mean_cores"]
    assert decode_summary(json.dumps(found)) == replace(summary_of(sample_record()), cpu_mean_cores=None)


GOOD = json.loads(encode_summary(summary_of(sample_record())))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("null", "no version"),
        ("[1]", "no version"),
        ("{}", "no version"),
        (json.dumps({**GOOD, "v": True}), "no version"),
        (json.dumps({**GOOD, "v": 0}), "no version"),
        (json.dumps({**GOOD, "v": 2}), "version 2.*upgrade"),
        (json.dumps({**GOOD, "status": "fine"}), "summary.status is 'fine'"),
        (json.dumps({**GOOD, "status": ["ok"]}), "summary.status"),
        (json.dumps({**GOOD, "attempt": 1.5}), "summary.attempt is a float"),
        (json.dumps({**GOOD, "attempt": True}), "summary.attempt is a bool"),
        (json.dumps({**GOOD, "duration_s": "9"}), "summary.duration_s is a str"),
        (json.dumps({**GOOD, "duration_s": math.nan}), "summary.duration_s is nan"),
        (json.dumps({**GOOD, "cpu_mean_cores": math.inf}), "summary.cpu_mean_cores is inf"),
        (json.dumps({**GOOD, "cpu_mean_cores": 1e300}), "summary.cpu_mean_cores is not from 0 to 1e\\+06"),
        (json.dumps({**GOOD, "request_memory_mb": 10**400}), "summary.request_memory_mb is not from 0 to"),
        (json.dumps({**GOOD, "vcpus": 10**400}), "summary.vcpus is not from 0"),
        (json.dumps({**GOOD, "duration_s": -5}), "summary.duration_s is not from 0"),
        (json.dumps({**GOOD, "duration_s": 1e300}), "summary.duration_s is not from 0"),
        (json.dumps({**GOOD, "finished_at": -1.0}), "summary.finished_at is not from 0"),
        (json.dumps({**GOOD, "request_written_in": ["x)\x1b[31m(\n"]}), "summary.request_written_in has"),
        (json.dumps({**GOOD, "request_chosen": ["import os"]}), "summary.request_chosen has 'import os'"),
        (json.dumps({**GOOD, "attempt": 0}).replace('"attempt": 0', '"attempt": ' + "9" * 5000), "not JSON"),
        (json.dumps({key: value for key, value in GOOD.items() if key != "run_id"}), "summary.run_id is missing"),
    ],
)
def test_nonsense(text: str, words: str) -> None:
    """What is no summary of this or an earlier version is refused in words that say why."""
    with pytest.raises(ArtifactError, match=words):
        decode_summary(text)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_any_text(text: str) -> None:
    """No text makes anything but a summary or an error of ours."""
    with pytest.raises(ArtifactError):
        decode_summary(text)
