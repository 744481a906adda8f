# Everything is installed into .venv on first use; PYTHON chooses the interpreter (3.11.4 to 3.13). What the tools keep
# from run to run goes there too, so that the rest of a checkout may be somebody else's, or on a disk that is only read.
PYTHON ?= python3
# Not the programs beside it: they know the path at which they were installed.
RUN := .venv/bin/python -m
INSTALLED := .venv/.installed
# An environment knows where it was made: in a folder that was moved, or copied with it, it would test the other one.
moved = $(shell test ! -s $(1)/.installed || test "$$(cat $(1)/.installed)" = "$$(pwd -P)" || echo anew)
ifneq ($(shell test -w src || echo only read),)
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/.cache/bytecode
endif
# The site is built with the versions pyproject.toml asks for; what a later one will change is not this build's news.
export NO_MKDOCS_2_WARNING := 1

.PHONY: demo test lowest lint links bench matrix fire rings conformance cancellation mutants soak docs dist clean anew writable

demo: $(INSTALLED)
	$(RUN) calltransfer.cli demo

# Side by side: either uses one core. The site is built into .venv, for its links.
test: $(INSTALLED)
	@$(MAKE) --no-print-directory --jobs 2 lint links
	$(RUN) coverage erase
	$(RUN) coverage run -m pytest --numprocesses 2 --dist worksteal
	$(RUN) coverage combine --quiet
	$(RUN) coverage report
	@echo "All checks passed: formatting, lint, types, imports, tests, coverage, docs."

# The tests with the lowest versions of what we depend on that pyproject.toml allows.
lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest --numprocesses 2 --dist worksteal

lint: $(INSTALLED)
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	.venv/bin/python -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-cache

links: $(INSTALLED)
	$(RUN) mkdocs build --strict --site-dir .venv/site

bench: $(INSTALLED)
	.venv/bin/python benchmarks/direct.py
	.venv/bin/python benchmarks/warm.py
	.venv/bin/python benchmarks/plans.py
	.venv/bin/python benchmarks/scale.py

# Every combination of target, caller and platform; writes the page of the documentation.
matrix: $(INSTALLED)
	.venv/bin/python benchmarks/matrix.py --write docs/explanation/matrix.md

# Whole calls at random, held to the invariants: as many as ten minutes take, from a seed that can be chosen.
SEED ?= 1
MINUTES ?= 10
fire: $(INSTALLED)
	.venv/bin/python benchmarks/fire.py --seed $(SEED) --minutes $(MINUTES)

# A thousand ring groups of ten targets at random; some ten minutes on two cores.
rings: $(INSTALLED)
	.venv/bin/python benchmarks/rings.py

# Every case of the conformance suite, for each of our strategies and for combinations of them; a quarter of an hour.
conformance: $(INSTALLED)
	$(RUN) pytest tests/test_conformance.py --conformance all --numprocesses 2 --dist worksteal

# Ends a transfer at every point at which it waits, and its clean-up too; some ten minutes on two cores.
cancellation: $(INSTALLED)
	.venv/bin/python benchmarks/cancellation.py

# Deliberate bugs, each of which the tests must catch.
mutants: $(INSTALLED)
	.venv/bin/python benchmarks/mutants.py

# Two workers, two hundred calls at a time, five minutes; then the bare SDK under the same load.
soak: $(INSTALLED)
	.venv/bin/python benchmarks/soak.py

docs: $(INSTALLED)
	$(RUN) mkdocs build --strict

# The sdist and the wheel, into dist/, and whether they are what they should be; installs the wheel away from here, too.
dist: $(INSTALLED)
	.venv/bin/python scripts/check_distribution.py

$(INSTALLED): pyproject.toml $(call moved,.venv) | writable
	$(PYTHON) -m venv $(if $(call moved,.venv),--clear) .venv
	$(RUN) pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(RUN) pip install --quiet --disable-pip-version-check --editable '.[cli]' --group dev
	pwd -P > $@

anew:

writable:
	@mkdir -p .venv && test -w .venv || { \
		echo "Of this checkout .venv has to be a folder that you can write to; nothing else in it needs to be." >&2; exit 1; }

.venv-lowest/.installed: pyproject.toml $(call moved,.venv-lowest)
	$(PYTHON) -m venv $(if $(call moved,.venv-lowest),--clear) .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-lowest/bin/python -m uv pip compile --quiet --python .venv-lowest/bin/python --extra cli --resolution lowest-direct \
		--output-file .venv-lowest/lowest.txt pyproject.toml
	.venv-lowest/bin/python -m uv pip install --quiet --python .venv-lowest/bin/python --constraint .venv-lowest/lowest.txt \
		--editable '.[cli]' --group dev
	pwd -P > $@

clean:
	rm -rf .venv .venv-lowest site dist bench.json
