# The four commands of this repository. All they need is Python 3.11-3.13 with pip, and make.
PYTHON ?= python3
BIN := .venv/bin
# Two tests at a time, those of one file one after another; the longest files come first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: search test test-all check bench clean

search: .venv/ready  ## search the default data: results/leaderboard.csv, results/best_model.keras
	$(BIN)/python -m search.run --trials 20

test: check  ## everything but the minutes-long fault and accuracy runs
	$(PYTEST) -m "not slow"

test-all: check
	$(PYTEST)

check: .venv/ready  ## format, lint, types
	$(BIN)/ruff format --check search tests examples
	$(BIN)/ruff check search tests examples
	$(BIN)/mypy

bench: .venv/ready  ## speed, as ratios within one run; tests/benchmarks/README.md explains them
	$(BIN)/python -m tests.benchmarks.run

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv
