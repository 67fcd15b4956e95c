# Everything a newcomer needs. Only Python 3.11 or newer must be there first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check play bench docs lock clean
.DEFAULT_GOAL := help

help:
	@echo "make run    set everything up and serve Parley (Ctrl-C stops it)"
	@echo "make test   set everything up and run the tests"
	@echo "make check  formatting, types, import contracts, shape tests"
	@echo "make play   serve the test world: a few people who talk"
	@echo "make bench  measure what docs/reference/benchmarks.md quotes"
	@echo "make docs   write the generated reference pages again"

run: $(VENV)/.ready
	@$(BIN)/python -m parley.web.build
	@exec $(BIN)/parley up

test: $(VENV)/.ready-dev
	@$(BIN)/python -m parley.web.build
	@sh tests/system_parts.sh
	TMPDIR=$$(sh tests/scratch.sh) $(BIN)/python -m pytest -q -n 2 --dist loadfile --durations 20

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/shape

play: $(VENV)/.ready-dev
	@$(BIN)/python -m parley.web.build
	@$(BIN)/python -m tests.play

bench: $(VENV)/.ready-dev
	@$(BIN)/python -m parley.web.build
	@$(BIN)/python -m bench

docs: $(VENV)/.ready-dev
	$(BIN)/python -m docs.generate

# Set-up: a virtual environment with the exact versions of the lock file, and the package itself.
$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Parley needs Python 3.11 or newer; set PYTHON=python3.12, for example."; exit 1; }
	@echo "Setting Parley up in $(VENV) (once; a minute or so) ..."
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "Python's venv module is missing: on Debian, apt install python3-venv."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

$(VENV)/.ready: requirements.lock pyproject.toml | $(VENV)/bin/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

# Resolve the dependencies again, newest versions that fit, with hashes. Both files agree on every version.
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: | $(VENV)/bin/uv
	$(COMPILE) --upgrade --group dev --group build pyproject.toml -o requirements-dev.lock
	$(COMPILE) --upgrade --group build -c requirements-dev.lock pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) node_modules frontend/node_modules src/parley/web/static/build
