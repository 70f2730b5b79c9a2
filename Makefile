# Everything a newcomer needs. Each target installs what it needs by itself; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# One worker more than cores, since many tests wait, but not more than four: each starts a PostgreSQL of its own. The
# tests of a module stay together, so that what they share is made once.
WORKERS := $(shell cores=$$(nproc); echo $$(( cores < 3 ? cores + 1 : 4 )))
# Hundreds of tests start programs, each of which would otherwise compile the product anew.
unexport PYTHONDONTWRITEBYTECODE
test: export TMPDIR := $(shell scripts/test-folder)
PYTEST := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder

.PHONY: help demo demo-reset test test-slow lint format docs bench clean lock

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## start the whole platform in var/demo, filled; Ctrl-C stops it, the next run goes on
	$(BIN)/chukan demo up $(ARGS)

demo-reset: $(VENV)/.runtime ## stop the demonstration, if it runs, and clear var/demo
	$(BIN)/chukan demo reset $(ARGS)

test: lint ## lint, types, import direction, all tests but the slow ones, wheel check (a quarter of an hour)
	scripts/os-packages
	$(PYTEST) -m "not slow" $(ARGS)

test-slow: $(VENV)/.dev ## the tests in full size (up to an hour)
	scripts/os-packages
	$(PYTEST) -m slow $(ARGS)

lint: $(VENV)/.dev ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p chukan -p chukan_simulators
	$(BIN)/mypy tests scripts
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## put the code into the style that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## write the pages that are made from the code
	$(BIN)/python scripts/docs.py

bench: $(VENV)/.dev ## measure against the floors; NAME=vault runs one benchmark alone
	@for program in $(or $(NAME:%=tests/benchmarks/%.py),$$(grep -l __main__ tests/benchmarks/*.py)); do \
		echo "== $$program"; PYTHONPATH=tests $(BIN)/python "$$program"; \
	done

lock: $(VENV)/.dev ## pin the dependencies of pyproject.toml anew; UPGRADE=1 takes newer versions
	scripts/lock $(if $(UPGRADE),--upgrade)

clean: ## remove the virtual environment and all that was built; var/ (data) stays
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml scripts/bootstrap
	scripts/bootstrap runtime

$(VENV)/.dev: requirements/dev.txt pyproject.toml scripts/bootstrap
	scripts/bootstrap dev
