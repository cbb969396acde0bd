"""The compiled form of the page templates: the same pages, and never outdated ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import jinja2
import pytest

from resource_tracker.report import pages
from resource_tracker.report.render import render_card, render_error
from resource_tracker.testing import fake_record

ROOT = Path(__file__).parent.parent
COMPILED = "resource_tracker.report.compiled"


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compiled templates as a module of the package, whether or not the checkout has been built."""
    path = tmp_path / "compiled.py"
    path.write_text(pages.compile_templates(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(COMPILED, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, COMPILED, module)
    pages.environment.cache_clear()
    yield module
    pages.environment.cache_clear()


@pytest.fixture
def compiles(monkeypatch):
    """Names of templates whose text was compiled while a page was made."""
    names = []
    compile_text = jinja2.Environment.compile

    def counted(self, source, name=None, *args, **kwargs):
        names.append(name)
        return compile_text(self, source, name, *args, **kwargs)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    return names


def page_of_text(monkeypatch, page):
    """A page made without anything compiled beforehand."""
    monkeypatch.setitem(sys.modules, COMPILED, None)
    pages.environment.cache_clear()
    return page()


@pytest.mark.parametrize(
    "page", [lambda: render_card(fake_record("gpu")), lambda: render_error("Title <i>", "Message")]
)
def test_compiled_templates_make_the_same_page(compiled, compiles, monkeypatch, page):
    """Byte for byte what the texts make, without compiling one of them."""
    made = page()
    assert compiles == []
    assert made == page_of_text(monkeypatch, page)
    assert "base.html.j2" in compiles


def test_every_template_is_compiled():
    """A template that is added must be named, or each card would compile it."""
    assert set(pages.NAMES) == {path.name for path in (ROOT / "resource_tracker/report/templates").iterdir()}


def test_a_changed_template_is_compiled_anew(compiled, compiles, monkeypatch):
    """Where the text is not the one that was compiled, the text counts; the others are still used."""
    text_of = pages._text
    monkeypatch.setattr(pages, "_text", lambda name: text_of(name).replace("<!doctype html>", "<!DOCTYPE html>"))
    assert render_error("Title", "Message").startswith("<!DOCTYPE html>")
    assert compiles == ["base.html.j2"]


def test_another_version_of_jinja2_compiles_the_text(compiled, compiles, monkeypatch):
    """Compiled code is an affair of one version of Jinja2: with another it is left alone."""
    monkeypatch.setattr(jinja2, "__version__", "99.0")
    assert "Message" in render_error("Title", "Message")
    assert set(compiles) == {"error.html.j2", "base.html.j2"}


def test_a_template_that_is_not_there():
    """The error is Jinja2's own."""
    with pytest.raises(jinja2.TemplateNotFound, match="nothing"):
        pages.environment().get_template("nothing.html.j2")
