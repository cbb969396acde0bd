"""`make demo`: run the demo flow six times, so that there is history, then show what was found.

Everything is written below ./demo, with Metaflow's local datastore.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

RUNS = 6
FLOW = Path(__file__).with_name("demo_flow.py").resolve()
FOLDER = Path("demo").resolve()


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
    """Six runs, the table of the last one, the cards."""
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
    show = [sys.executable, "-m", "resource_tracker", "show", "DemoFlow"]
    shown = subprocess.run(show, cwd=FOLDER, env=environment, check=False)
    cards = sorted(FOLDER.rglob("mf.cards/**/steps/*/tasks/*/cards/resource_tracker-*.html"), key=os.path.getmtime)
    if shown.returncode or not cards:
        sys.exit("The demo flow ran, but its results cannot be shown.")
    print("\nThe cards of the last run (open them in a browser):")
    for card in cards[-2:]:
        print(f"  {card}")


if __name__ == "__main__":
    main()
