# Two commands on a bare machine: `make demo` and `make test`. Each does all the set-up it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The system's uv when there is one, else a copy of our own inside the checkout.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml

.PHONY: demo test browser check format lock clean

demo: $(READY)
	$(BIN)/earmark demo $(if $(DATA),--data $(DATA))

test: $(READY)
	$(BIN)/pytest $(ARGS)

# Debian's Chromium and a virtual microphone, whose tests are otherwise skipped; as root.
browser:
	tests/browser/install

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .uv/bin/uv
	$(COMPILE) -o requirements/base.txt
	$(COMPILE) --extra train --extra av -o requirements/train.txt
	$(COMPILE) --extra live -o requirements/live.txt
	$(COMPILE) --extra serve -o requirements/serve.txt
	$(COMPILE) --extra train --extra imagenet --extra av --extra live --extra serve --group dev -o requirements/dev.txt

$(READY): requirements/dev.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv -q --python $(PYTHON) $(VENV)
	$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install -q --python $(BIN)/python --no-deps --editable .
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install -q uv

clean:
	rm -rf $(VENV) .uv dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
