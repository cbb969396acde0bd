"""Options and help of ``resource-tracker catalog``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_EXAMPLES = """\
examples:
  resource-tracker catalog show                                what is known, from where and how old
  resource-tracker catalog show aws m5.xlarge                  one machine and its prices
  resource-tracker catalog search --vcpus 4 --memory 16GB      the cheapest machines that are enough
  resource-tracker catalog search --gpu 1 --gpu-memory 24GiB --live
  resource-tracker catalog update aws eu-west-1                fetch today's prices of a region
"""
_SHOW_EXAMPLES = """\
examples:
  resource-tracker catalog show                     every vendor: machines, regions, prices, dates
  resource-tracker catalog show gcp                 a vendor's regions
  resource-tracker catalog show aws m5.xlarge       one machine: what it has, and its price in each region
  resource-tracker catalog show aws m5.xlarge --json
"""
_SEARCH_EXAMPLES = """\
examples:
  resource-tracker catalog search --vcpus 4 --memory 16GB
  resource-tracker catalog search --vcpus 8 --memory 60GiB --vendor azure
  resource-tracker catalog search --gpu 1 --gpu-model A100 --region us-east-1
  resource-tracker catalog search --vendor hcloud --region fsn1-dc14 --live

Memory is what the step needs: a machine is listed only if so much is left once its system has taken its own.
A number without a unit is in MB, as in @resources(memory=...).
"""
_UPDATE_EXAMPLES = """\
examples:
  resource-tracker catalog update aws eu-west-1
  resource-tracker catalog update hcloud fsn1-dc14

Prices come from the Spare Cores Keeper API and are kept in your cache. For a day, --live and prices="live" use them \
without asking; for a week, where the API does not answer. The bundled catalog stays as it is.
"""


def add_catalog(verbs: Any) -> None:
    """The verb with its three actions; the action's name lands in ``action``."""
    parser = verbs.add_parser(
        "catalog",
        help="show and search the price catalog, fetch live prices",
        description="Cloud machines and what they cost: the catalog that comes with the package, and live prices.",
        epilog=_EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_show(actions)
    _add_search(actions)
    _add_update(actions)


def _action(actions: Any, name: str, text: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=text,
        description=f"{text[:1].upper()}{text[1:]}.",
        epilog=examples,
    )
    return parser


def _add_show(actions: Any) -> None:
    parser = _action(actions, "show", "what the catalog knows, from where, and how old it is", _SHOW_EXAMPLES)
    parser.add_argument("vendor", metavar="VENDOR", nargs="?", help="such as aws: its regions")
    parser.add_argument("machine", metavar="MACHINE", nargs="?", help="such as m5.xlarge: what it has and costs")
    _add_common(parser)


def _add_search(actions: Any) -> None:
    parser = _action(actions, "search", "the cheapest machines that have what a step needs", _SEARCH_EXAMPLES)
    parser.add_argument("--vcpus", metavar="N", default="1", help="vCPUs, at least (default: %(default)s)")
    parser.add_argument("--memory", metavar="SIZE", default="0", help="memory left for the step: 16GB, 16GiB, 16000")
    parser.add_argument("--gpu", metavar="N", help="NVIDIA GPUs, at least (1 if one of the next two is given)")
    parser.add_argument("--gpu-model", metavar="NAME", help="part of the GPU's name, such as A100 or l4")
    parser.add_argument("--gpu-memory", metavar="SIZE", help="memory of each GPU: 24GB, 24GiB")
    parser.add_argument(
        "--arch", choices=("x86_64", "arm64", "any"), default="x86_64", help="architecture (default: %(default)s)"
    )
    parser.add_argument("--vendor", help="only machines of this vendor (default: all)")
    parser.add_argument("--region", help="only machines in this region (default: each in its cheapest)")
    parser.add_argument(
        "--allow-burstable", action="store_true", help="also machines that are throttled under lasting load"
    )
    parser.add_argument("--limit", metavar="N", default="10", help="how many (default: %(default)s)")
    parser.add_argument("--live", action="store_true", help="ask the Spare Cores Keeper API, in one region")
    _add_api(parser, "4")
    _add_common(parser)


def _add_update(actions: Any) -> None:
    parser = _action(actions, "update", "fetch the live prices of one region and keep them", _UPDATE_EXAMPLES)
    parser.add_argument("vendor", metavar="VENDOR", help="aws, azure, gcp, hcloud, ovh, upcloud or alicloud")
    parser.add_argument("region", metavar="REGION", help="by the vendor's own name")
    _add_api(parser, "60")
    _add_common(parser, json=False)


def _add_api(parser: argparse.ArgumentParser, timeout_s: str) -> None:
    parser.add_argument("--api", metavar="URL", help="another server of the Keeper API")
    parser.add_argument(
        "--timeout", metavar="SECONDS", default=timeout_s, help="for all its answers (default: %(default)s)"
    )


def _add_common(parser: argparse.ArgumentParser, *, json: bool = True) -> None:
    if json:
        parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--catalog", metavar="FILE", type=Path, help="read this file, not the bundled catalog")
