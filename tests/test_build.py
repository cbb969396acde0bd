"""Putting a record together: what is missing around the measurements never costs the rest."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest

from resource_tracker.build import build_record
from resource_tracker.catalog import FORMAT, load_bundled
from resource_tracker.errors import CatalogError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    CloudInfo,
    History,
    Limits,
    Measurements,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    Tracking,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from catalog_sources.writer import Parts, compressed


def built(*, catalog, catalog_note=None, mode="sampler", reason=None):
    """The record of ten seconds on one core with 100 MiB."""
    measurements = Measurements(
        process=TinyDataFrame({"cpu_usage": [1.0], "interval_s": [10.0]}),
        system=TinyDataFrame(),
        started_at=1000.0,
        ended_at=1011.0,
        step_ended_at=1010.0,
        duration_s=10.0,
        memory_peak_kib=102_400.0,
        cpu_seconds=10.0,
        tracking=Tracking(mode=mode, interval_s=1.0, reason=reason),
    )
    return build_record(
        measurements,
        title="Flow / step",
        outcome=Outcome(status="ok"),
        server=ServerInfo(),
        cloud=CloudInfo(),
        request=ResourceRequest(),
        limits=Limits(),
        history=History(available=False, reason="not read"),
        catalog=catalog,
        catalog_note=catalog_note,
    )


def test_has_advice_and_prices():
    """Usage, advice and offers are derived, and the record ends where the step's code ended."""
    record = built(catalog=load_bundled())
    assert isinstance(record.recommendation, Recommendation) and record.recommendation.cpu == 1
    assert len(record.pricing.offers) == 5
    assert record.ended_at == 1010.0


def test_without_a_catalog_there_is_the_reason():
    """No catalog: no offers, and the note says why; the advice stands."""
    record = built(catalog=None, catalog_note="the file is missing")
    assert record.pricing.offers == () and record.pricing.note == "the file is missing"
    assert record.recommendation.available


def test_a_catalog_that_proves_damaged_costs_only_the_prices(tmp_path):
    """Its parts are read when the price is looked for: what is wrong with them becomes the note."""
    parts = Parts()
    spans = {"types": parts.add({"name": ["m5.large"]}), "regions": {"us-east-1": parts.add({})}, "open": []}
    index = {"format": FORMAT, "built": "", "sources": [], "vendors": {"aws": spans}, "lowest": parts.add({})}
    index["checksum"] = zlib.crc32(parts.data)
    path = tmp_path / "catalog.json.gz"
    path.write_bytes(compressed(index) + parts.data)
    catalog = load_bundled(path)
    with pytest.raises(CatalogError):
        dict(catalog.prices)
    record = built(catalog=catalog)
    assert record.pricing.offers == () and "damaged catalog" in record.pricing.note
    assert record.recommendation.available


def test_what_was_not_measured_gets_no_advice():
    """An untracked attempt: no recommendation, with the reason."""
    record = built(catalog=load_bundled(), mode="untracked", reason="no /proc")
    assert isinstance(record.recommendation, NoRecommendation) and "no /proc" in record.recommendation.reason
