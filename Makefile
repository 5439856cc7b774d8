# Needs Python 3.11 or newer with pip and venv, and make. Everything else goes into .venv.
#
#   make translate   translate examples/letter.en.txt to German
#   make test        run the tests, WORKERS=2 files at a time
#   make lint        ruff: rules and format
#   make types       mypy, on the installed package
#   make check       all of these and the slow tests, as .ci/run does
#   make gpu-check   on a machine with a GPU: test, compare and measure decoding there
#                    (TEXT=sentences.en.txt names a text to do it with)
#   make docs        write docs/commands.md anew from the commands' help, docs/library.md from docstrings
#   make protos      generate the code of the gRPC contract anew
#   make clean       remove the environments and caches
#
#   make PYTHON=python3.12 ...         choose the interpreter
#   make TORCH="torch==2.13.0" ...     choose the torch to install (default: constraints.txt)

PYTHON ?= python3
VENV ?= .venv
TORCH ?=
WORKERS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install $(if $(TORCH),"$(TORCH)",--constraint constraints.txt)

# Without an environment of its own mypy would see the editable install, whose import finder type
# checkers do not follow; in this one tformer is installed as a user would have it.
TYPES := $(VENV)-types

.PHONY: translate test slow-test lint format types check gpu-check docs protos clean
.DELETE_ON_ERROR:

translate: $(VENV)/installed
	@$(BIN)/tformer translate --source en --target de examples/letter.en.txt

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

slow-test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/installed-dev
	rm -rf $(TYPES) build
	TFORMER_BUILD_LEVELS=none $(PIP) install --no-deps --target $(TYPES) .
	cd $(TYPES) && MYPYPATH=. $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml \
	    --python-executable $(abspath $(BIN))/python --explicit-package-bases \
	    $(addprefix tformer/,cli daemon dataset documents model server protos)

protos: $(VENV)/installed-dev
	$(BIN)/python -m tformer.protos.generate

check: test lint types slow-test

gpu-check: $(VENV)/installed-dev
	$(BIN)/python benchmarks/gpu_check.py $(if $(TEXT),--text "$(TEXT)")

docs: $(VENV)/installed
	$(BIN)/typer tformer.cli.app utils docs --name tformer --output docs/commands.md
	$(BIN)/python docs/library.py > docs/library.md

clean:
	rm -rf $(VENV) $(TYPES) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: $(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12" >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run start at once; a change of what is installed makes them stale.
$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing tformer into $(VENV); torch is large, this takes a few minutes" >&2
	$(INSTALL) --editable .
	$(BIN)/python -c 'from tformer.model.network.int8 import precompile; precompile.prepare()'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(INSTALL) --editable '.[dev]'
	@touch $@
