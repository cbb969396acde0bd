"""The artifact's format: what is stored, and that it reads back, now and later."""

from __future__ import annotations

import copy
import gzip
import math
import pickle
import random
import re
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from sample_record import sample_record
from strategies import task_records

from resource_tracker.artifact import SCHEMA_VERSION, from_artifact, migrated, to_artifact
from resource_tracker.columns import GPU_NAMES, PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.errors import ArtifactError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.measured_cores import most_rows
from resource_tracker.records import (
    NoRecommendation,
    Outcome,
    TaskRecord,
    Tracking,
    UsageSummary,
)

GOLDEN = Path(__file__).parent / "golden"
PUBLISHED_KEYS = ["process_metrics", "system_metrics", "cloud_info", "server_info", "stats", "historical_stats"]
ADDED_LATER = ["gpu_metrics", "spans", "ending", "attempt_before", "projections", "core_metrics"]
OUR_KEYS = [
    "schema_version",
    "pathspec",
    "attempt",
    "title",
    "started_at",
    "ended_at",
    "outcome",
    "request",
    "limits",
    "usage",
    "history_tasks",
    "recommendation",
    "pricing",
    "tracking",
    "versions",
    *ADDED_LATER,
]


class TestWhatIsStored:
    def test_keys(self) -> None:
        """The published keys come first, ours follow."""
        assert list(to_artifact(sample_record())) == PUBLISHED_KEYS + OUR_KEYS

    def test_published_content(self) -> None:
        """Every published key has the names of the published example, in its order."""
        artifact = to_artifact(sample_record())
        assert artifact["process_metrics"].columns[:12] == list(PROCESS_NAMES[:12])
        assert artifact["system_metrics"].columns[:21] == list(SYSTEM_NAMES[:21])
        assert list(artifact["cloud_info"])[:4] == ["vendor", "instance_type", "region", "discovery_time"]
        assert list(artifact["server_info"])[:5] == ["vcpus", "memory_mb", "gpu_count", "gpu_names", "gpu_memory_mb"]
        assert artifact["server_info"]["gpu_names"] == ["Quadro T1000"]
        assert artifact["stats"]["memory_usage"] == {"mean": None, "max": 591621.0}
        assert artifact["stats"]["duration"] == 9.75
        assert artifact["historical_stats"]["available"] is True
        assert artifact["historical_stats"]["max_memory_max"] == 597372.0

    def test_recommendation_is_ready_to_paste(self) -> None:
        """The advice is stored as a line of text too."""
        advice = to_artifact(sample_record())["recommendation"]
        assert advice["available"] is True
        assert advice["text"] == "@resources(cpu=2, memory=768)"

    @given(task_records())
    def test_builtins_and_frames_only(self, record: TaskRecord) -> None:
        """Not one of our classes but TinyDataFrame is stored, at any depth."""

        def walk(value: object) -> None:
            if isinstance(value, dict):
                for key, item in value.items():
                    assert type(key) is str
                    walk(item)
            elif type(value) is list:
                for item in value:
                    walk(item)
            else:
                assert type(value) in (str, int, float, bool, type(None), TinyDataFrame), value

        walk(to_artifact(record))

    def test_pickle_names_no_module_of_ours(self) -> None:
        """The pickle refers to ``resource_tracker.TinyDataFrame`` and to nothing else of ours."""
        stored = pickle.dumps(to_artifact(sample_record()), protocol=4)
        assert set(re.findall(rb"resource_tracker[.\w]*", stored)) == {b"resource_tracker"}

    def test_long_frames_are_compacted(self) -> None:
        """At most 2048 rows are stored; sums and peaks stay."""
        rows = 10_000
        process = TinyDataFrame({name: array("d", range(rows)) for name in PROCESS_NAMES})
        process["interval_s"] = [1.0] * rows
        stored = to_artifact(replace(sample_record(), process_metrics=process))["process_metrics"]
        assert 1024 < len(stored) <= 2048
        assert sum(stored["read_bytes"]) == sum(range(rows))
        assert max(stored["memory_peak_kib"]) == rows - 1
        assert sum(stored["interval_s"]) == rows

    @pytest.mark.parametrize("gpus", [1, 16])
    def test_many_gpus_take_no_more_space(self, gpus: int) -> None:
        """All frames of GPUs together have at most 1024 rows; energy and peaks stay."""
        rows = 5000
        frame = TinyDataFrame({name: array("d", range(rows)) for name in GPU_NAMES})
        frames = {f"gpu{place}": frame for place in range(gpus)}
        stored = to_artifact(replace(sample_record(), gpu_metrics=frames))["gpu_metrics"]
        assert list(stored) == list(frames)
        assert sum(len(one) for one in stored.values()) <= 1024
        assert sum(stored["gpu0"]["energy_j"]) == sum(range(rows))
        assert max(stored["gpu0"]["step_vram_peak_mib"]) == rows - 1

    def test_size_of_a_day(self) -> None:
        """24 hours at a row a second and 192 cores take at most 1 MB as Metaflow stores them, no two cells alike."""
        rows, chance = 86_400, random.Random(7)
        process = TinyDataFrame({name: array("d", (chance.random() for _ in range(rows))) for name in PROCESS_NAMES})
        system = TinyDataFrame({name: array("d", (chance.random() for _ in range(rows))) for name in SYSTEM_NAMES})
        cores = {f"core{number}": [chance.randrange(201) / 200 for _ in range(most_rows(194))] for number in range(194)}
        record = replace(sample_record(), process_metrics=process, system_metrics=system)
        artifact = to_artifact(replace(record, core_metrics=TinyDataFrame(cores)))
        assert len(gzip.compress(pickle.dumps(artifact, protocol=4), compresslevel=3)) <= 1_000_000


class TestRoundTrip:
    @given(task_records())
    def test_exact(self, record: TaskRecord) -> None:
        """Every record comes back exactly, through pickle too."""
        assert from_artifact(to_artifact(record)) == record
        assert from_artifact(pickle.loads(pickle.dumps(to_artifact(record), protocol=4))) == record

    def test_untracked_attempt(self) -> None:
        """An attempt that was not measured has empty frames with all columns, and the reason."""
        record = TaskRecord(
            pathspec="Flow/1/start/1",
            attempt=0,
            title="Flow/1/start/1",
            started_at=1.0,
            ended_at=None,
            outcome=Outcome(status="ok"),
            tracking=Tracking(mode="untracked", interval_s=1.0, reason="no /proc"),
            process_metrics=TinyDataFrame(),
            system_metrics=TinyDataFrame(),
            usage=UsageSummary(duration_s=0.5),
            recommendation=NoRecommendation(reason="not measured"),
        )
        found = from_artifact(to_artifact(record))
        assert found.process_metrics == TinyDataFrame({name: [] for name in PROCESS_NAMES})
        assert found.system_metrics == TinyDataFrame({name: [] for name in SYSTEM_NAMES})
        assert replace(found, process_metrics=TinyDataFrame(), system_metrics=TinyDataFrame()) == record

    def test_reading_changes_nothing(self) -> None:
        """The artifact that was read is as it was before."""
        artifact = to_artifact(sample_record())
        before = copy.deepcopy(artifact)
        from_artifact(artifact)
        assert artifact == before


class TestVersions:
    def test_golden_version_1(self) -> None:
        """An artifact that version 1 stored reads for ever."""
        artifact = pickle.loads(gzip.decompress((GOLDEN / "artifact_v1.pickle.gz").read_bytes()))
        assert artifact["schema_version"] == 1
        assert from_artifact(artifact) == sample_record()

    def test_later_version(self) -> None:
        """A later version is refused by number, with what to do."""
        artifact = {**to_artifact(sample_record()), "schema_version": SCHEMA_VERSION + 1}
        with pytest.raises(ArtifactError, match=rf"version {SCHEMA_VERSION + 1}.*upgrade metaflow-resource-tracker"):
            from_artifact(artifact)

    def test_fields_of_a_later_package(self) -> None:
        """A key or field that was added later is left out; one that was not there yet has its default."""
        artifact = to_artifact(sample_record())
        artifact["mood"] = "good"
        artifact["usage"]["mood"] = "good"
        del artifact["usage"]["cpu_mean_cores"], artifact["pricing"]["note"]
        record = sample_record()
        assert from_artifact(artifact) == replace(record, usage=replace(record.usage, cpu_mean_cores=None))

    def test_column_of_a_later_package(self) -> None:
        """A frame that lacks a column of today has it as nan; one with more keeps them at the end."""
        artifact = to_artifact(sample_record())
        frame = artifact["process_metrics"]
        del frame["threads"]
        frame["mood"] = [1, 2]
        found = from_artifact(artifact).process_metrics
        assert found.columns == [*PROCESS_NAMES, "mood"]
        assert all(math.isnan(value) for value in found["threads"])

    def test_migrations_run_in_order(self) -> None:
        """An artifact of version 1 reaches version 3 over version 2; the original is not changed."""
        artifact = {"schema_version": 1, "name": "a"}
        migrations: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
            1: lambda old: {"title": old["name"], "seen": [1]},
            2: lambda old: {**old, "seen": [*old["seen"], 2]},
        }
        found = migrated(artifact, migrations, target=3)
        assert found == {"schema_version": 3, "title": "a", "seen": [1, 2]}
        assert artifact == {"schema_version": 1, "name": "a"}
        assert migrated({"schema_version": 2, "seen": []}, migrations, target=3)["seen"] == [2]

    def test_version_without_migration(self) -> None:
        """A version that nothing leads on from is refused by number."""
        with pytest.raises(ArtifactError, match="version 0, which this version no longer reads"):
            from_artifact({**to_artifact(sample_record()), "schema_version": 0})


class TestRefused:
    def test_another_task(self) -> None:
        """An artifact that was inherited from another task is not taken for this one's."""
        artifact = to_artifact(sample_record())
        assert from_artifact(artifact, expected_pathspec="TrainFlow/12/train/34") == sample_record()
        with pytest.raises(ArtifactError, match=r"belongs to 'TrainFlow/12/train/34', not to TrainFlow/12/end/35"):
            from_artifact(artifact, expected_pathspec="TrainFlow/12/end/35")
        standalone = to_artifact(replace(sample_record(), pathspec=None, title="python train.py"))
        with pytest.raises(ArtifactError, match=r"belongs to 'python train.py'"):
            from_artifact(standalone, expected_pathspec="TrainFlow/12/end/35")

    @pytest.mark.parametrize(
        ("obj", "words"),
        [
            (None, "is a NoneType, not a dict"),
            ([1], "is a list, not a dict"),
            ({}, "no schema_version"),
            ({"schema_version": "1"}, "no schema_version"),
            ({"schema_version": True}, "no schema_version"),
            ({"schema_version": 1}, "artifact.process_metrics is missing"),
        ],
    )
    def test_not_ours(self, obj: object, words: str) -> None:
        """What was not written by this package is refused."""
        with pytest.raises(ArtifactError, match=words):
            from_artifact(obj)

    @pytest.mark.parametrize("key", [key for key in PUBLISHED_KEYS + OUR_KEYS if key not in ("stats", *ADDED_LATER)])
    def test_missing_key(self, key: str) -> None:
        """Each key that is read must be there; the message names it."""
        artifact = to_artifact(sample_record())
        del artifact[key]
        with pytest.raises(ArtifactError, match=key):
            from_artifact(artifact)

    @pytest.mark.parametrize("key", [key for key in PUBLISHED_KEYS + OUR_KEYS if key != "stats"])
    def test_value_of_another_type(self, key: str) -> None:
        """Each value that is read must be of its type; the message names the key."""
        with pytest.raises(ArtifactError, match=key):
            from_artifact({**to_artifact(sample_record()), key: {1, 2}})

    @pytest.mark.parametrize(
        ("keys", "value", "words"),
        [
            (("usage", "duration_s"), None, "artifact.usage.duration_s is a NoneType, not a float"),
            (("usage", "children_max"), 1.5, "artifact.usage.children_max is a float, not a int"),
            (("outcome", "status"), "fine", "artifact.outcome.status is 'fine', not one of 'running'"),
            (("outcome", "caught"), 1, "artifact.outcome.caught is a int, not a bool"),
            (("server_info", "gpu_names"), "T4", "artifact.server_info.gpu_names is a str, not a list"),
            (("server_info", "gpu_names", 0), 4, r"artifact.server_info.gpu_names\[0\] is a int, not a str"),
            (("pricing", "offers", 0, "instance", "name"), 4, r"pricing.offers\[0\].instance.name is a int"),
            (("pricing", "own", "region"), None, "artifact.pricing.own.region is a NoneType"),
            (("tracking", "cost"), [], "artifact.tracking.cost is a list, not a dict"),
            (("recommendation", "available"), "yes", "artifact.recommendation.available is 'yes'"),
            (("recommendation", "reasons"), {"cpu": 1}, r"artifact.recommendation.reasons\['cpu'\] is a int"),
            (("recommendation", "reasons"), {1: "cpu"}, "a key of artifact.recommendation.reasons is a int"),
            (("historical_stats", "available"), None, "artifact.historical_stats.available is a NoneType"),
            (("history_tasks", 0, "run_id"), 7, r"artifact.history_tasks\[0\].run_id is a int"),
            (("versions", "python"), 3.11, r"artifact.versions\['python'\] is a float"),
        ],
    )
    def test_value_of_another_type_below(self, keys: tuple[str | int, ...], value: object, words: str) -> None:
        """However deep the value, the message has the way to it."""
        artifact = to_artifact(sample_record())
        place: Any = artifact
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        with pytest.raises(ArtifactError, match=words):
            from_artifact(artifact)
