"""Settings for every test."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "flows"))

# Metaflow reads it as it is imported, and not every machine that runs tests has a user name.
os.environ.setdefault("METAFLOW_USER", "tester")

# A shell's background jobs ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two shared cores: how long one example takes says nothing.
_ANY_SPEED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _ANY_SPEED, max_examples=50)
settings.register_profile("thorough", _ANY_SPEED, max_examples=300)  # make test-all
settings.load_profile("quick")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium for the tests of a module."""
    from browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def show(browser, tmp_path):
    """Opens HTML in a new tab; at the end no tab has said or asked for anything."""
    pages = []

    def opened(html, **options):
        path = tmp_path / f"page{len(pages)}.html"
        path.write_text(html, encoding="utf-8")
        page = browser.page(**options)
        pages.append(page)
        page.open(path)
        return page

    yield opened
    for page in pages:
        page.settle()
        assert page.messages == []
        assert page.requests == []
        page.close()
