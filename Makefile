# make demo: the two-host lab.   make test: everything that .ci/run runs.   make bench: ours beside the C programs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types check packages bench format clean

demo: $(VENV)/.installed
	@demo/run

test: packages $(VENV)/.installed lint types check

# The system packages that the tests need: peers, VM, network tools.
packages:
	@tests/kit/packages.sh

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed
	$(BIN)/mypy .

check: $(VENV)/.installed
	$(BIN)/pytest

bench: packages $(VENV)/.installed
	$(BIN)/python -m benchmarks

format: $(VENV)/.installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("vswitch needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
