# Everything is installed into .venv on first use; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# The site is built with the versions pyproject.toml asks for; what a later one will change is not this build's news.
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test lint bench matrix docs clean

demo: $(INSTALLED)
	$(BIN)/calltransfer demo

test: lint
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/mkdocs build --strict --quiet --site-dir .venv/site
	@echo "All checks passed: formatting, lint, types, imports, tests, coverage, docs."

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/python benchmarks/direct.py
	$(BIN)/python benchmarks/warm.py
	$(BIN)/python benchmarks/scale.py

# Every combination of target, caller and platform; writes the page of the documentation.
matrix: $(INSTALLED)
	$(BIN)/python benchmarks/matrix.py --write docs/matrix.md

docs: $(INSTALLED)
	$(BIN)/mkdocs build --strict

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench.json
