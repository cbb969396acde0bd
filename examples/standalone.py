"""Without Metaflow: measure a piece of any program, read the numbers, save the report.

python standalone.py
python standalone.py my-report.html
"""

import hashlib
import sys
from time import monotonic, sleep

from resource_tracker import ResourceTracker


def work(seconds: float) -> str:
    """Hold 100 MB and keep one CPU busy, with a rest in between."""
    block = bytearray(100_000_000)
    digest = hashlib.sha256()
    end = monotonic() + seconds
    while monotonic() < end:
        digest.update(block[:5_000_000])
    sleep(0.5)
    return digest.hexdigest()


def main(path: str = "resource-report.html") -> None:
    """Track the work, then show what can be had from it."""
    with ResourceTracker(interval=0.5) as tracker:
        work(3)

    stats = tracker.stats()
    print(f"Took {stats['duration']:.1f} s, {stats['cpu_usage']['mean']:.2f} CPUs on average")
    print(f"Needed up to {stats['memory_usage']['max'] / 1024:.0f} MiB")
    print("Ask for:", tracker.recommend_resources())
    for offer in tracker.recommend_server(limit=1).offers:
        print(f"Rent: {offer.instance.vendor} {offer.instance.name} at ${offer.price_usd_per_hour:.4f} an hour")
    tracker.report().save(path)
    print(f"The whole report is in {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
