"""``python -m resource_tracker``."""

import sys

from resource_tracker.cli import main

if __name__ == "__main__":
    sys.exit(main())
