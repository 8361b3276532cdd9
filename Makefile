# Everything here makes its own environment in .venv: only Python 3.11 or newer, git and make are needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: env demo test lint types bench clean

env: $(READY)  ## The environment alone.

demo: $(READY)  ## Four firms, four nodes: the whole job in under a minute.
	@$(BIN)/tally demo

test: $(READY)  ## The test suite; warnings are errors.
	$(BIN)/python -m pytest -n 2

lint: $(READY)  ## Style and form.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## Static types, strict.
	$(BIN)/mypy

bench: $(READY)  ## Rates and ratios, with the machine's raw limits in the same run.
	$(BIN)/python -m tests.benchmarks

clean:  ## Remove the environment and all caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@echo "Making the environment in $(VENV) (once; needs the package index) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
