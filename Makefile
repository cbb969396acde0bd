# Everything runs in a virtual environment of its own; `make demo` and `make test` need nothing but Python 3.10+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py $(wildcard frontend/package*.json frontend/*.mjs frontend/src/* frontend/src/*/*)
WORKERS ?= 2

.PHONY: help demo test test-all lint bench gallery clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The package alone, for the demo; then what tests and benchmarks need besides.
$(VENV)/.package: $(SOURCES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(PIP) --upgrade pip
	@$(PIP) -e '.[cli]'
	@touch $@

$(VENV)/.installed: $(VENV)/.package
	@echo "Installing what the tests need ..."
	@$(PIP) -e '.[test]'
	@$(BIN)/python scripts/frontend_tools.py
	@touch $@

demo: $(VENV)/.package  ## run an example flow six times, show the advice and where the card is
	@$(BIN)/python examples/demo.py

test: $(VENV)/.installed lint  ## lint, then the tests (under 15 minutes on two cores)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

test-all: $(VENV)/.installed lint  ## the tests, the slow ones included
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --hypothesis-profile=thorough

lint: $(VENV)/.installed  ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed  ## what tracking costs, beside bare runs and the resource-tracker package of PyPI
	$(BIN)/python -m benchmarks

gallery: $(VENV)/.installed  ## cards of all kinds as HTML, pictures and PDF in gallery/ (needs chromium)
	@$(BIN)/python scripts/gallery.py

clean:  ## remove what was built
	rm -rf $(VENV) build dist demo gallery *.egg-info resource_tracker/report/assets resource_tracker/report/compiled.py frontend/node_modules
