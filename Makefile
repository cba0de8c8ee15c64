# The commands of this repository. All they need is Python 3.11-3.13 with pip, and make.
PYTHON ?= python3
BIN := .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two tests at a time, those of one file one after another; the longest files come first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: search test test-all check bench docs clean

search: .venv/ready  ## search the default data: results/leaderboard.csv, results/best_model.keras
	$(BIN)/python -m search.run --trials 20

test: check  ## everything but the minutes-long fault and accuracy runs
	$(PYTEST) -m "not slow"

test-all: check  ## everything
	$(PYTEST)

check: .venv/developer  ## format, lint, types
	$(BIN)/ruff format --check search tests examples docs
	$(BIN)/ruff check search tests examples docs
	$(BIN)/mypy

bench: .venv/developer  ## speed, as ratios within one run; tests/benchmarks/README.md explains them
	$(BIN)/python -m tests.benchmarks.run

docs: .venv/developer  ## the documentation as a site in build/docs; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/ready: pyproject.toml constraints.txt  ## what a search needs
	$(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/developer: .venv/ready  ## and what tests, benchmarks and documentation need
	$(PIP) -e ".[dev]"
	touch $@

clean:
	rm -rf .venv
