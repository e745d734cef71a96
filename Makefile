# The names below are fixed: scripts and people rely on them. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(wildcard pyproject.toml uv.lock libs/*/pyproject.toml services/*/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help up down demo test check format bench docs screenshots clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.venv/.runtime: $(SOURCES) tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py
	@touch $@

.venv/.dev: $(SOURCES) tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py --dev
	@touch $@ .venv/.runtime

up: .venv/.runtime ## run a whole hive in the foreground: bus, services, agents; Ctrl-C ends it
	@exec $(BIN)/hive up

down: .venv/.runtime ## end a hive that runs elsewhere
	@$(BIN)/hive down

demo: .venv/.dev ## the same with a scripted model and two agents at work: no account, no network
	@exec $(BIN)/python -m hivetesting.demo

test: .venv/.dev ## all tests, on the real nats-server, the real Claude CLI and a real Chromium
	@$(BIN)/pytest -n auto --dist loadfile $(PYTEST_ARGS)

check: .venv/.dev ## format, lint, types, architecture
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.dev ## put the code into shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/.dev ## measure, as ratios to the raw thing underneath
	@$(BIN)/python -m bench $(BENCH_ARGS)

docs: .venv/.dev ## write docs/bus.md anew from the contracts
	@$(BIN)/python -m tools.bus_reference

screenshots: .venv/.dev ## take the pictures of the README anew
	@$(BIN)/python -m tools.screenshots

clean: ## remove what was built here; hives and their data stay
	rm -rf .venv .venv-uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
