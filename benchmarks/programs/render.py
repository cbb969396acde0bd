"""Renders one made-up record: sizes, CPU time of the first card and of another, as JSON."""

import gzip
import json
import pickle
import sys
import time

from resource_tracker.artifact import to_artifact
from resource_tracker.testing import fake_record

record = fake_record(sys.argv[1])
begun_s = time.process_time()
from resource_tracker.report.render import render_card  # noqa: E402

page = render_card(record)
first_s = time.process_time()
render_card(record)
again_s = time.process_time()
stored = gzip.compress(pickle.dumps(to_artifact(record), protocol=4), compresslevel=3)  # as Metaflow does
print(
    json.dumps(
        {
            "card_bytes": len(page.encode()),
            "artifact_bytes": len(stored),
            "first_ms": (first_s - begun_s) * 1000,
            "again_ms": (again_s - first_s) * 1000,
        }
    )
)
