# nablac: what `make` can do
#
#   make demo        train the digits network on real data; shows a derived formula, the curves and the accuracy
#   make test        run the tests
#   make test-deep   run the long checks too
#   make test-browser  run the tests of the report's page in a real Chromium (apt-get install chromium, or name one by
#                    NABLAC_CHROMIUM=path)
#   make test-extras  run the tests of what the optional packages add: PyTorch, ONNX, MPI, Dask, TensorBoard, notebooks
#   make lint        ruff
#   make types       mypy --strict
#   make generate    compile every example into generated/, and refresh the README's listings
#   make bench       time the generated modules against PyTorch, and the compiler itself (installs PyTorch; options
#                    for pip, such as the index of its CPU build, by TORCH='...')
#   make compare     regenerate into a temporary directory and show how generated/ differs
#   make setup       the environment alone: .venv with everything that the above need
#   make clean       remove what these commands made, .venv too
#   make help        this page
#
# Each command sets up what it needs.  Python 3.11 or newer is all that must be there; another than `python3`: make demo PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUNS   := runs
EXAMPLES := $(wildcard examples/*.yaml)
JOBS   ?= 2
TORCH  ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-deep test-browser test-extras lint types generate bench compare clean

help:
	@sed -n '/^$$/q; s/^#\( \{0,1\}\)//p' Makefile

setup: $(VENV)/.ready examples/data/mnist/.ready

# The environment is made anew when pyproject.toml changes; an interrupted set-up leaves no stamp and starts over.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "nablac needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.browser: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	@touch $@

$(VENV)/.extras: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable '.[extras]'
	@touch $@

$(VENV)/.bench: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable '.[bench]'
	@touch $@

examples/data/mnist/.ready: examples/data/make_idx.py $(VENV)/.ready
	$(BIN)/python examples/data/make_idx.py
	@touch $@

demo: setup
	@echo; echo '== The gradient of the loss with respect to the last layer, derived'; echo
	@$(BIN)/nablac inspect examples/digits.yaml --wrt linear_2.W
	@echo; echo '== Training 64-64-10 on 1,437 handwritten digits, 360 held out'; echo
	@$(BIN)/nablac train examples/digits.yaml
	@$(BIN)/python examples/show_run.py $(RUNS)/digits 0.97

test: setup
	$(BIN)/python -m pytest -n $(JOBS)

test-deep: setup
	$(BIN)/python -m pytest -n $(JOBS) -m 'not browser and not extras'

test-browser: setup $(VENV)/.browser
	@$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest -m browser tests/browser

test-extras: setup $(VENV)/.extras
	$(BIN)/python -m pytest -m extras

lint: $(VENV)/.ready
	$(BIN)/ruff check

types: $(VENV)/.ready
	$(BIN)/mypy

generate: setup
	@for spec in $(EXAMPLES); do \
		$(BIN)/nablac compile $$spec -o generated/$$(basename $$spec .yaml).py || exit $$?; done
	$(BIN)/python docs/refresh.py

compare: setup
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && for spec in $(EXAMPLES); do \
		name=$$(basename $$spec .yaml).py; \
		$(BIN)/nablac compile $$spec -o $$new/$$name > /dev/null || exit $$?; \
		diff -u generated/$$name $$new/$$name && echo "generated/$$name: equal"; done; true

bench: setup $(VENV)/.bench
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) $(RUNS) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis examples/data/mnist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf compiler/*.egg-info
