# `make demo` and `make test` need Python 3.11, git and make, nothing else.
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/pip install --disable-pip-version-check --constraint constraints.txt
# What examples/demo.sh uses, and no more: the demo does not grow with later components.
DEMO = essentia,librosa,baselines,embanded,groupings,xgboost,report

.PHONY: demo test test-quick chaos chaos-shared check bench docs clean

$(BIN)/pip:
	@echo "== making .venv, an environment of its own: nothing outside this folder is changed"
	$(PYTHON) -m venv .venv
	$(PIP) --quiet --upgrade "pip>=25.1"

.venv/demo-ready: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "== installing mirstore and what the demo uses (once; some minutes, most of it downloading)"
	$(PIP) --editable ".[$(DEMO)]"
	@touch $@

.venv/test-ready: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "== installing mirstore with everything, and the tools for tests (once; some minutes, most of it downloading)"
	$(PIP) --editable ".[all]" --group dev
	@touch $@

demo: .venv/demo-ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: .venv/test-ready
	$(BIN)/pytest -n 2 --cov --cov-report=term

test-quick: .venv/test-ready
	$(BIN)/pytest -n 2 -m "not slow"

# Kills every command that changes a store, and interpreters of other environments, at random moments:
# `make chaos ROUNDS=20`; `make chaos-shared` does so in a store on servers.
ROUNDS ?= 5
chaos: .venv/test-ready
	$(BIN)/python tests/chaos.py --rounds $(ROUNDS)
	MIRSTORE_ROUNDS=$(ROUNDS) $(BIN)/pytest tests/cli/test_environments.py -k killed_at_random_moments

chaos-shared: .venv/test-ready
	$(BIN)/python tests/chaos.py --rounds $(ROUNDS) --shared

check: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell core store cli plugins tests docs examples *.md

bench: .venv/test-ready
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: .venv/test-ready
	$(PIP) --quiet --group docs
	$(BIN)/python docs/make_pages.py
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv demo site
