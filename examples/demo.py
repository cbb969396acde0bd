"""`make demo`: run the demo flow six times, so that there is history, then show what was found.

Everything is written below ./demo, with Metaflow's local datastore.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RUNS = 6
FLOW = Path(__file__).with_name("demo_flow.py").resolve()
FOLDER = Path("demo").resolve()
REVIEW = "review.html"


def run_flow(number: int, environment: dict[str, str]) -> None:
    """One run, its log shown only if it fails."""
    began = time.monotonic()
    print(f"  run {number} of {RUNS} ... ", end="", flush=True)
    command = [sys.executable, str(FLOW), "run", "--seconds", str(4 + number)]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    if done.returncode:
        sys.exit(f"The demo flow failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Six runs, then the advice for the whole flow, the cost of the last run, the cards."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    environment = os.environ | {
        "METAFLOW_USER": os.environ.get("METAFLOW_USER", "demo"),
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
    }
    print("Running examples/demo_flow.py, each time a little longer:")
    for number in range(1, RUNS + 1):
        run_flow(number, environment)
    print()
    advised = tool(environment, "recommend", "DemoFlow")
    reviewed = tool(environment, "review", "DemoFlow", "--html", REVIEW, stderr=subprocess.DEVNULL)
    cards = sorted(FOLDER.rglob("mf.cards/**/steps/*/tasks/*/cards/resource_tracker-*.html"), key=os.path.getmtime)
    if advised.returncode or reviewed.returncode or not cards:
        sys.exit("The demo flow ran, but its results cannot be shown.")
    print("\nWhat the last run cost, and the cards of its steps (open them in a browser):")
    for page in [FOLDER / REVIEW, *cards[-2:]]:
        print(f"  {page}")


def tool(environment: dict[str, str], *arguments: str, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """The command resource-tracker, in the folder in which the flow ran."""
    command = [sys.executable, "-m", "resource_tracker", *arguments]
    return subprocess.run(command, cwd=FOLDER, env=environment, check=False, **options)


if __name__ == "__main__":
    main()
