# Everything is installed into .venv on first use; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# The site is built with the versions pyproject.toml asks for; what a later one will change is not this build's news.
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test lowest lint bench matrix fire rings conformance cancellation mutants soak docs dist clean

demo: $(INSTALLED)
	$(BIN)/calltransfer demo

test: lint
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/mkdocs build --strict --site-dir .venv/site
	@echo "All checks passed: formatting, lint, types, imports, tests, coverage, docs."

# The tests with the lowest versions of what we depend on that pyproject.toml allows.
lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest --numprocesses 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/python benchmarks/direct.py
	$(BIN)/python benchmarks/warm.py
	$(BIN)/python benchmarks/plans.py
	$(BIN)/python benchmarks/scale.py

# Every combination of target, caller and platform; writes the page of the documentation.
matrix: $(INSTALLED)
	$(BIN)/python benchmarks/matrix.py --write docs/explanation/matrix.md

# Whole calls at random, held to the invariants: as many as ten minutes take, from a seed that can be chosen.
SEED ?= 1
MINUTES ?= 10
fire: $(INSTALLED)
	$(BIN)/python benchmarks/fire.py --seed $(SEED) --minutes $(MINUTES)

# A thousand ring groups of ten targets at random; some ten minutes on two cores.
rings: $(INSTALLED)
	$(BIN)/python benchmarks/rings.py

# Every case of the conformance suite, for each of our strategies and for combinations of them; a quarter of an hour.
conformance: $(INSTALLED)
	$(BIN)/python -m pytest tests/test_conformance.py --conformance all --numprocesses 2 --dist worksteal

# Ends a transfer at every point at which it waits, and its clean-up too; some ten minutes on two cores.
cancellation: $(INSTALLED)
	$(BIN)/python benchmarks/cancellation.py

# Deliberate bugs, each of which the tests must catch.
mutants: $(INSTALLED)
	$(BIN)/python benchmarks/mutants.py

# Two workers, two hundred calls at a time, five minutes; then the bare SDK under the same load.
soak: $(INSTALLED)
	$(BIN)/python benchmarks/soak.py

docs: $(INSTALLED)
	$(BIN)/mkdocs build --strict

# The sdist and the wheel, into dist/, and whether they are what they should be; installs the wheel away from here, too.
dist: $(INSTALLED)
	$(BIN)/python scripts/check_distribution.py

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli]' --group dev
	touch $@

.venv-lowest/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/uv pip compile --quiet --python .venv-lowest/bin/python --extra cli --resolution lowest-direct \
		--output-file .venv-lowest/lowest.txt pyproject.toml
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --constraint .venv-lowest/lowest.txt \
		--editable '.[cli]' --group dev
	touch $@

clean:
	rm -rf .venv .venv-lowest site dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench.json
