# `make demo` and `make test` need Python 3.11, git and make, nothing else.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test test-quick check bench docs clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade "pip>=25.1" --constraint constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all]" --group dev
	touch $@

demo: .venv/ready
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: .venv/ready
	$(BIN)/pytest -n 2

test-quick: .venv/ready
	$(BIN)/pytest -n 2 -m "not slow"

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell core store cli plugins tests docs examples *.md

bench: .venv/ready
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: .venv/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --group docs
	$(BIN)/python docs/make_pages.py
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv demo site
