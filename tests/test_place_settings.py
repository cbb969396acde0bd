"""``vendor=`` and ``region=`` of the decorator, against the bundled catalog."""

from __future__ import annotations

import pytest

from resource_tracker import catalog
from resource_tracker.errors import CatalogError, SettingError
from resource_tracker.flows.validation import check_prices_of


@pytest.mark.parametrize(
    ("vendor", "region", "live"),
    [
        ("aws", "eu-west-1", False),
        ("gcp", None, False),
        (None, "westeurope", False),
        (None, "westeurope", True),
        ("hcloud", "fsn1-dc14", True),
        ("hcloud", "fsn1", True),
        ("aws", None, True),
    ],
)
def test_places_that_there_are(vendor, region, live):
    """A place with bundled prices; for live prices any open region, Hetzner's by its location, too."""
    check_prices_of(vendor, region, live=live)


@pytest.mark.parametrize(
    ("vendor", "region", "live", "told"),
    [
        ("asw", None, False, "did you mean 'aws'? There are aws, azure, gcp"),
        ("hcloud", None, False, "no prices for vendor 'hcloud': there are aws, azure, gcp"),
        ("aws", "eu-west1", False, "did you mean 'eu-west-1'? There are "),
        ("aws", "westeurope", False, "of vendor 'aws', which is a region of azure: there are "),
        (None, "moon", False, "no prices for region 'moon'"),
        ("hetzner", None, True, "there is no vendor 'hetzner': there are alicloud, aws"),
        ("hcloud", None, True, "needs a region: there are ash-dc1, fsn1-dc14"),
        ("upcloud", "de-fra9", True, "did you mean 'de-fra1'?"),
    ],
)
def test_places_that_there_are_not(vendor, region, live, told):
    """The message names the decorator, lists what there is, and what was probably meant."""
    with pytest.raises(SettingError) as caught:
        check_prices_of(vendor, region, live=live)
    assert str(caught.value).startswith("@track_resources: ") and told in str(caught.value)


def test_a_damaged_catalog_stops_no_flow(monkeypatch):
    """What cannot be checked is not refused: the card will say that there are no prices."""

    def damaged():
        raise CatalogError("damaged")

    monkeypatch.setattr(catalog, "load_bundled", damaged)
    check_prices_of("nimbus", "moon", live=False)
