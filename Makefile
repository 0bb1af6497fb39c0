# `make` says what there is to make. GNU make 3.81 (macOS) is enough.
#
#     make test PYTHON=python3.12    another interpreter: .venv is made anew with it, and stays so
#     make test ARGS='-k layering'   arguments for pytest
#     make test WORKERS=0            one test after the other, in one process
#     make fuzz SECONDS=3600         damage configuration files for an hour, and keep what shows something new

PYTHON ?=
ARGS ?=

# Tried in this order where PYTHON is empty and there is no .venv yet.
PYTHONS := python3.13 python3.12 python3.11 python3
VENV_PYTHON := .venv/bin/python
# Most tests wait for processes most of the time, so three at once are not too many for two processors.
WORKERS ?= 3
SECONDS ?= 60
# A hang costs one test and 120 s, not the whole run.
RUN_PYTEST := $(VENV_PYTHON) -m pytest --timeout=120

# Worlds for `make simulate`; for the story of one SEED, and with STEPS and APPS of a part of it.
SEEDS ?= 10000
SEED ?=
STEPS ?=
APPS ?=
SIMULATE = $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps '$(STEPS)') $(if $(APPS),--apps '$(APPS)') $(ARGS)

# One platform for each folder of the host layer: what is not there cannot be wrong.
PLATFORMS := linux $(if $(wildcard procman/host/macos),darwin) $(if $(wildcard procman/host/windows),win32)
PYTHON_SOURCES := $(wildcard procman tests bench)
TYPED_SOURCES := $(wildcard procman tests/fakes tests/simulation/world)

# Build requirements are pinned too, for which pip has to be new. The scripts that it makes of commands take 3 ms
# less than those of the pip that comes with Python 3.11.
INSTALL := PIP_BUILD_CONSTRAINT=constraints.txt \
	$(VENV_PYTHON) -m pip install -qq --disable-pip-version-check -c constraints.txt

# `ensurepip` is what Debian leaves out where python3-venv is not installed.
IS_USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
# Scripts in .venv hold its absolute path, so a folder that was moved needs a new one.
DESCRIBE := import sys; print(sys.version.split()[0], sys.base_prefix, sys.argv[1])

.DEFAULT_GOAL := help
.PHONY: help up test test-system fuzz simulate soak check bench clean FORCE

help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 /p' Makefile | while read -r name text; do \
		printf 'make %-13s%s\n' "$$name" "$$text"; \
	done

up: .venv/installed ## install procman into .venv and run the example; Ctrl-C stops it
	@.venv/bin/procman --file portwatch.toml up

test: .venv/installed-dev ## run the tests; ARGS go to pytest
	@$(RUN_PYTEST) --numprocesses=$(WORKERS) --dist=loadfile $(ARGS)

test-system: .venv/installed-dev ## boot a Debian with systemd in a container, as root, and test the service in it
	@command -v systemd-nspawn >/dev/null || apt-get install -y --no-install-recommends systemd-container dbus || true
	@TEST_SYSTEM=1 $(VENV_PYTHON) -m pytest --timeout=300 -o faulthandler_timeout=280 --exitfirst tests/system $(ARGS)

fuzz: .venv/installed-dev ## look for files that the reader does not cope with, for SECONDS=60
	@nice -n 15 $(VENV_PYTHON) -m tests.fuzz --seconds $(SECONDS) $(ARGS)

soak: .venv/installed-dev ## the faults at length: 10,000 restarts, 1,000 apps, every failing system call; an hour
	@PROCMAN_SOAK=1 PROCMAN_KILLS=200 PROCMAN_FUZZ=100000 $(VENV_PYTHON) -m pytest --timeout=3600 \
		tests/faults tests/properties/test_protocol.py $(ARGS)

check: .venv/installed-dev ## formatting, lint, types on every platform, layers
	$(VENV_PYTHON) -m ruff format --check $(PYTHON_SOURCES)
	$(VENV_PYTHON) -m ruff check $(PYTHON_SOURCES)
	set -e; for platform in $(PLATFORMS); do \
		$(VENV_PYTHON) -m mypy --strict --platform "$$platform" $(TYPED_SOURCES); \
	done
	$(RUN_PYTEST) --quiet tests/unit/test_layering.py

simulate: .venv/installed-dev ## play SEEDS worlds in which all goes wrong; SEED=7 tells the story of one
	@$(VENV_PYTHON) -m tests.simulation.world --seeds $(SEEDS) $(SIMULATE)

bench: .venv/installed ## compare with the peers; the figures go to the terminal
	@$(VENV_PYTHON) -m bench $(ARGS)

clean: ## stop the example and remove what make, the tests and npm have made
	@if [ -x .venv/bin/procman ] && [ -d .procman ]; then .venv/bin/procman --file portwatch.toml down || true; fi
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	rm -rf examples/*/node_modules examples/web/dist
	find $(PYTHON_SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: .venv/interpreter pyproject.toml constraints.txt
	@echo 'installing procman into .venv'
	@$(INSTALL) --upgrade pip && $(INSTALL) -e .
	@touch $@

.venv/installed-dev: .venv/interpreter pyproject.toml constraints.txt
	@echo 'installing procman and the tools of its tests into .venv'
	@$(INSTALL) --upgrade pip && $(INSTALL) -e '.[dev]'
	@touch .venv/installed $@

# Looked at in every run, written (and so newer than what depends on it) only when .venv is made anew.
# A candidate is proven by running it: a pyenv shim is on PATH also for the versions that are not active.
.venv/interpreter: FORCE
	@made_with=$$(cat $@ 2>/dev/null); \
	works_as=$$($(VENV_PYTHON) -c '$(DESCRIBE)' "$$PWD" 2>/dev/null); \
	if [ -z '$(PYTHON)' ] && [ -n "$$works_as" ] && [ "$$made_with" = "$$works_as" ]; then exit 0; fi; \
	for candidate in $(or $(PYTHON),$(PYTHONS)); do \
		if "$$candidate" -c '$(IS_USABLE)' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'no Python that can make .venv among: $(or $(PYTHON),$(PYTHONS)); expected 3.11 or newer, with venv' >&2; \
		echo >&2; \
		echo 'hint: on Debian and Ubuntu `apt install python3 python3-venv`, or name one: `make PYTHON=/path/to/python3`' >&2; \
		exit 1; \
	fi; \
	wanted=$$("$$found" -c '$(DESCRIBE)' "$$PWD"); \
	if [ "$$wanted" = "$$made_with" ] && [ "$$wanted" = "$$works_as" ]; then exit 0; fi; \
	echo "making .venv with Python $${wanted%% *}"; \
	rm -rf .venv && "$$found" -m venv .venv && echo "$$wanted" > $@
