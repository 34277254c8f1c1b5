# Axiom: everything a fresh clone needs is Python 3.11 or newer and make.
#
# .venv/ is made once and again whenever a lock file, pyproject.toml or the checkout's own place
# changes: the stamps depend on the first two and are named after the third, since an environment
# cannot be moved.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo install dev test slow lint types check format lock clean release-check release-record

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PLACE := $(shell pwd -P | cksum | cut -d ' ' -f 1)
RUN := $(VENV)/.installed-run-$(PLACE)
DEV := $(VENV)/.installed-dev-$(PLACE)
MADE := $(VENV)/.made-$(PLACE)
PIP := $(BIN)/python -I -m pip --disable-pip-version-check --no-input
# Wheels only, each by its hash: nothing is built here and nothing runs that no lock names.
PIP_LOCKED = $(PIP) install --quiet --require-hashes --no-deps --only-binary :all:

# Tests run in this many processes: one more than the two cores they are meant for, since those of
# sockets and child processes wait a good part of their time.
WORKERS ?= 3
# More words for pytest, such as ARGS="-k journal".
ARGS ?=

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
	    awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: $(RUN)  ## a whole simulated trading day, explained and replayed bit for bit
	@$(BIN)/axiom demo

install: $(RUN)  ## make .venv with the program: .venv/bin/axiom
	@echo "Installed: $(BIN)/axiom (try $(BIN)/axiom --help)"

dev: $(DEV)  ## make .venv with the program and the tools for its tests and checks

test: $(DEV)  ## the tests, slow ones left out
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(ARGS)

slow: $(DEV)  ## the slow tests alone
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow $(ARGS)

lint: $(DEV)  ## format and style, checked only
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(DEV)  ## strict types
	@$(BIN)/mypy

check: lint types test  ## lint, types and tests

release-check: $(DEV)  ## goldens, waivers, matrix, engines, checklist (ARGS=--draft before a release)
	@$(BIN)/python -m scripts.release_check $(ARGS)

# The row names the commit that is checked out, so it is made last and committed on top.
RELEASE = $(shell $(BIN)/python -c 'import cli; print(cli.__version__)')
release-record: $(DEV)  ## add this engine to docs/engines.toml as that of the release
	@$(BIN)/python -m scripts.engines record $(RELEASE)

format: $(DEV)  ## rewrite the sources in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# Only maintainers need uv, and only here. Both files hold for every Python >= 3.11 and platform,
# with hashes, and name no index: the installer's own configuration decides where packages are from.
UV ?= uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-config --no-header pyproject.toml
lock:  ## compile locks/*.txt again from pyproject.toml (needs uv; LOCK=--upgrade for new versions)
	@$(COMPILE) $(LOCK) --group pyproject.toml:build -o locks/run.txt
	@$(COMPILE) $(LOCK) --group pyproject.toml:build --group pyproject.toml:dev \
	    --constraint locks/run.txt -o locks/dev.txt

clean:  ## remove .venv and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# An environment whose Python has gone away is made anew; a sound one is kept.
ifneq ($(shell $(BIN)/python -I -c 'print("sound")' 2>/dev/null),sound)
.PHONY: $(MADE) $(RUN) $(DEV)
endif

$(MADE):
	@python=$$(scripts/find-python "$(PYTHON)") || exit 2; \
	echo "Making $(VENV) with $$python"; \
	rm -rf $(VENV) && "$$python" -I -m venv $(VENV) && touch $@

$(RUN): locks/run.txt pyproject.toml | $(MADE)
	@echo "Installing what the program needs (locks/run.txt)"
	@$(PIP_LOCKED) -r locks/run.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@$(PIP) check >&2
	@touch $@

$(DEV): locks/dev.txt $(RUN)
	@echo "Installing what the tests and checks need (locks/dev.txt)"
	@$(PIP_LOCKED) -r locks/dev.txt
	@$(PIP) check >&2
	@touch $@
