# Everything here makes its own environment in .venv: only Python 3.11 or newer, git and make are needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

OTHERS := 3.12 3.13
# Where a version of Python is on this machine: by its name, or where pyenv keeps it; empty if nowhere.
python_of = $(shell for found in python$(1) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python; do \
	"$$found" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")' 2>/dev/null \
	&& echo "$$found" && break; done)

.PHONY: env demo test versions lint types bench bench-large clean

env: $(READY)  ## The environment alone.

demo: $(READY)  ## Four firms, four nodes: the whole job in under a minute.
	@$(BIN)/tally demo

test: $(READY)  ## The test suite; warnings are errors.
	$(BIN)/python -m pytest -n 2

versions:  ## The contract language under the other Pythons that are found, in .venv-3.12 and .venv-3.13.
	@for version in $(OTHERS); do $(MAKE) --no-print-directory "version-$$version" || exit 1; done

version-%:
	@if [ -n "$(call python_of,$*)" ]; then $(MAKE) --no-print-directory .venv-$*/.ready \
		&& .venv-$*/bin/python -m pytest -n 2 tests/contracts; \
		else echo "Python $* is not here and left out" >&2; fi

lint: $(READY)  ## Style and form.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## Static types, strict.
	$(BIN)/mypy

bench: $(READY)  ## Rates and ratios, with the machine's raw limits in the same run.
	$(BIN)/python -m tests.benchmarks

bench-large: $(READY)  ## Audit ten million entries; takes many minutes and five gigabytes.
	$(BIN)/python -m tests.benchmarks.large

clean:  ## Remove the environment and all caches.
	rm -rf $(VENV) $(addprefix .venv-,$(OTHERS)) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@echo "Making the environment in $(VENV) (once; needs the package index) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

.venv-%/.ready: pyproject.toml
	@echo "Making the environment in .venv-$* (once; needs the package index) ..." >&2
	@$(call python_of,$*) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
