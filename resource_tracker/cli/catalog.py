"""``resource-tracker catalog``: what machines there are and what they cost, and fetching live prices."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import Any

from resource_tracker.catalog import load_bundled
from resource_tracker.catalog_model import Catalog
from resource_tracker.cli.catalog_machines import found_as_plain, machine_as_plain, show_found, show_machine
from resource_tracker.cli.catalog_overview import show_overview, show_vendor, vendors_as_plain
from resource_tracker.cli.messages import printable, say
from resource_tracker.cli.sizes import positive, size_mib
from resource_tracker.cli.terminal import Terminal
from resource_tracker.errors import CatalogError, SettingError
from resource_tracker.keeper import BASE_URL, Keeper, damage_text
from resource_tracker.machines import Need, cheapest, is_enough
from resource_tracker.places import DEFAULT_REGIONS, DEFAULT_VENDOR, check_name
from resource_tracker.private_dir import default_places
from resource_tracker.report import format as fmt

_LEAST_MEANT_MB = 128
"""Who asks for fewer MB than that, and writes no unit, means GB."""


def main(options: argparse.Namespace) -> int:
    """Do what was asked for; returns the exit code."""
    catalog = load_bundled(options.catalog)
    {"show": _show, "search": _search, "update": _update}[options.action](options, catalog)
    return 0


# --- show -----------------------------------------------------------------------------------------


def _show(options: argparse.Namespace, catalog: Catalog) -> None:
    terminal, now = Terminal(sys.stdout), time.time()
    keeper = Keeper(cache=tuple(default_places()))
    kept = keeper.kept()
    for path in keeper.damaged():
        say(damage_text(path))
    if options.vendor is None:
        if options.json:
            _print_json({"built": catalog.built, "vendors": vendors_as_plain(catalog)})
        else:
            show_overview(terminal, catalog, kept, now)
        return
    check_name("vendor", options.vendor, list(catalog.open_regions))
    if options.machine is None:
        if options.json:
            _print_json(vendors_as_plain(catalog)[options.vendor])
        else:
            show_vendor(terminal, catalog, options.vendor, [row for row in kept if row[0] == options.vendor], now)
        return
    names = [name for vendor, name in catalog.instances if vendor == options.vendor]
    check_name(f"{options.vendor} machine", options.machine, names)
    if options.json:
        _print_json(machine_as_plain(catalog, options.vendor, options.machine))
    else:
        show_machine(terminal, catalog, options.vendor, options.machine, now)


# --- search ---------------------------------------------------------------------------------------


def _search(options: argparse.Namespace, bundled: Catalog) -> None:
    need = _need(options)
    limit = int(positive("--limit", options.limit, whole=True))
    catalog, vendor, region = bundled, options.vendor, options.region
    if options.live:
        catalog, vendor, region = _live(options, bundled, need)
    elif vendor in catalog.open_regions and vendor not in catalog.vendors():
        how = f"--live --region {catalog.open_regions[vendor][0]}"
        raise SettingError(f"the {catalog.origin} has no prices of {vendor}: ask for live ones with {how}")
    offers = cheapest(catalog, need, vendor=vendor, region=region, limit=limit, allow_burstable=options.allow_burstable)
    for note in catalog.notes:
        say(note)
    if options.json:
        _print_json([found_as_plain(catalog, offer) for offer in offers])
    elif offers:
        show_found(Terminal(sys.stdout), catalog, need, offers)
        if options.memory.isdigit() and 0 < int(options.memory) < _LEAST_MEANT_MB:
            say(f"--memory {options.memory} is {options.memory} MB: for gigabytes, write --memory {options.memory}GB")
    if not offers:
        raise SettingError(_why_none(catalog, bundled, need, options, vendor, region))


def _need(options: argparse.Namespace) -> Need:
    gpus = None if options.gpu is None else positive("--gpu", options.gpu, whole=True, zero=True)
    wants_gpu = options.gpu_model is not None or options.gpu_memory is not None
    return Need(
        vcpus=positive("--vcpus", options.vcpus),
        memory_mib=size_mib("--memory", options.memory),
        gpu_count=int(gpus if gpus is not None else wants_gpu),
        gpu_memory_mib=None if options.gpu_memory is None else size_mib("--gpu-memory", options.gpu_memory),
        gpu_model=options.gpu_model,
        architecture=None if options.arch == "any" else options.arch,
    )


def _live(options: argparse.Namespace, bundled: Catalog, need: Need) -> tuple[Catalog, str, str]:
    """Live prices of one region, or the bundled ones with a note why; and where they are of."""
    vendor = options.vendor or DEFAULT_VENDOR
    region = options.region or DEFAULT_REGIONS.get(vendor)
    _check_place(bundled, vendor, region)
    assert region is not None
    try:
        return _keeper(options).catalog(vendor, region, need), vendor, region
    except CatalogError as error:
        if (vendor, region) not in bundled.prices:
            raise CatalogError(
                f"live prices could not be had ({error}), and {bundled.origin} has none there"
            ) from error
        say(f"live prices could not be had ({error}): those of the {bundled.origin} are shown")
        return bundled, vendor, region


def _why_none(
    catalog: Catalog, bundled: Catalog, need: Need, options: argparse.Namespace, vendor: str | None, region: str | None
) -> str:
    """Nothing was found: which of the limits it was, as far as one alone explains it."""
    where = " ".join(name for name in (vendor, region) if name) or "any vendor"
    tips = []
    if not options.allow_burstable and cheapest(
        catalog, need, vendor=vendor, region=region, limit=1, allow_burstable=True
    ):
        tips.append("--allow-burstable has some")
    if need.architecture is not None and any(
        is_enough(catalog.instances[key], replace(need, architecture=None))
        for key in catalog.instances
        if vendor in (None, key[0])
    ):
        tips.append("another --arch has some")
    if need.gpu_model is not None:
        models = {bundled.instances[key].gpu_model for key in bundled.instances if vendor in (None, key[0])}
        tips.append(f"GPU models there are {', '.join(sorted(model for model in models if model))}")
    advice = f": {'; '.join(tips)}" if tips else ": ask for less, or in another place"
    return f"no machine of {where} with a price is enough{advice}"


# --- update ---------------------------------------------------------------------------------------


def _update(options: argparse.Namespace, bundled: Catalog) -> None:
    _check_place(bundled, options.vendor, options.region)
    keeper = _keeper(options)
    place = f"{options.vendor} {options.region}"
    say(f"asking {keeper.base_url} for the prices of {place}")
    try:
        catalog = keeper.update(options.vendor, options.region, lambda count: say(_prices(count)))
    except CatalogError as error:
        raise CatalogError(f"nothing was updated: {error}. {_what_remains(keeper, bundled, options)}") from error
    for note in catalog.notes:
        say(note)
    listed = catalog.prices[options.vendor, options.region]
    changed = _compared(catalog, bundled, options.vendor, options.region)
    print(f"{_prices(len(listed.names))} of {place} kept, of {catalog.sources[0].date}, for a week.{changed}")


def _compared(catalog: Catalog, bundled: Catalog, vendor: str, region: str) -> str:
    """How the new prices stand to the bundled ones."""
    new = catalog.prices[vendor, region]
    old = bundled.prices.get((vendor, region))
    if old is None:
        return " The bundled catalog has none of them."
    before = dict(zip(old.names, old.usd_per_hour, strict=True))
    both = [(usd, before[name]) for name, usd in zip(new.names, new.usd_per_hour, strict=True) if name in before]
    lower = sum(usd < known * 0.995 for usd, known in both)
    higher = sum(usd > known * 1.005 for usd, known in both)
    return (
        f" Beside the bundled catalog: {len(both) - lower - higher} the same, {lower} lower, {higher} higher, "
        f"{len(new.names) - len(both)} new."
    )


def _prices(count: int) -> str:
    return printable(fmt.plural(count, "price"))


def _what_remains(keeper: Keeper, bundled: Catalog, options: argparse.Namespace) -> str:
    for vendor, region, count, at in keeper.kept():
        if (vendor, region) == (options.vendor, options.region):
            day = time.strftime("%Y-%m-%d", time.gmtime(at))
            return f"Kept as before: {_prices(count)} of {day}."
    if (options.vendor, options.region) in bundled.prices:
        return "The bundled prices remain in use."
    return f"There are no other prices for {options.vendor} {options.region}."


# --- both -----------------------------------------------------------------------------------------


def _keeper(options: argparse.Namespace) -> Keeper:
    timeout_s = positive("--timeout", options.timeout)
    return Keeper(
        base_url=(options.api or BASE_URL).rstrip("/"), timeout_s=min(timeout_s, 3600.0), cache=tuple(default_places())
    )


def _check_place(catalog: Catalog, vendor: str, region: str | None) -> None:
    """Refuse a vendor or region that does not exist, with those that do."""
    check_name("vendor", vendor, list(catalog.open_regions))
    if region is None:
        raise SettingError(f"{vendor} needs a --region: there are {', '.join(catalog.open_regions[vendor])}")
    check_name(f"{vendor} region", region, catalog.names_of_regions(vendor))


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, allow_nan=False, default=str))
