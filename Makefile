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

COMPILE_RELEASE = $(subst --group docs,--group release,$(COMPILE_DOCS))
COMPILE_DOCS = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
               --no-emit-index-url --no-emit-find-links --no-annotate --no-header --group docs

.PHONY: demo test test-oldest browser check docs dist installs format lock clean

demo: $(READY)
	$(BIN)/earmark demo $(if $(DATA),--data $(DATA))

# What fails is run once more, alone: two workers on a busy machine can upset a test of time or of processes.
test: $(READY)
	$(BIN)/pytest $(ARGS) || $(BIN)/pytest -n 0 --last-failed --last-failed-no-failures none $(ARGS)

# Debian's Chromium and a virtual microphone, whose tests are otherwise skipped; as root.
browser:
	tests/browser/install

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation, into site/; a broken link is an error. It has an environment of its own, without torch.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

# What is published, into dist/: wheel and sdist, checked, and a bill of materials of the base installation and of each extra.
dist: .venv-release/.ready
	rm -rf dist && $(UV) build -q -o dist
	.venv-release/bin/twine check --strict dist/*.whl dist/*.tar.gz
	for lock in base train live serve cluster; do \
	  .venv-release/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	    --of JSON -o dist/earmark-$$lock.cdx.json requirements/$$lock.txt; done

# Every command in fresh environments without extras and with each extra alone; about 15 minutes and 3 GB.
installs: $(READY) | .uv/bin/uv
	PATH="$(CURDIR)/.uv/bin:$$PATH" $(BIN)/python tools/check_installs.py --report installs.json

# The tests with the oldest version of every dependency that pyproject.toml allows. What these depend on is new, so old
# Starlette's test client uses a name that anyio has deprecated since, and old Matplotlib names of pyparsing.
OLD_NAMES = -W "ignore:The anyio.abc.BlockingPortal alias:DeprecationWarning" \
            -W "ignore::pyparsing.warnings.PyparsingDeprecationWarning"
test-oldest: .uv/bin/uv
	$(UV) venv -q --clear --python $(PYTHON) .venv-oldest
	$(UV) pip install -q --python .venv-oldest/bin/python --resolution lowest-direct \
	  --editable '.[train,imagenet,av,live,serve,cluster]' --group dev
	.venv-oldest/bin/pytest $(OLD_NAMES) $(ARGS)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .uv/bin/uv
	$(COMPILE) -o requirements/base.txt
	$(COMPILE) --extra train --extra av -o requirements/train.txt
	$(COMPILE) --extra live -o requirements/live.txt
	$(COMPILE) --extra serve -o requirements/serve.txt
	$(COMPILE) --extra cluster -o requirements/cluster.txt
	$(COMPILE) --extra train --extra imagenet --extra av --extra live --extra serve --extra cluster --group dev -o requirements/dev.txt
	$(COMPILE_DOCS) -o requirements/docs.txt
	$(COMPILE_RELEASE) -o requirements/release.txt

$(READY): requirements/dev.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv -q --python $(PYTHON) $(VENV)
	$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements/dev.txt
	$(UV) pip install -q --python $(BIN)/python --no-deps --editable .
	touch $@

.venv-docs/.ready: requirements/docs.txt | $(UV)
	test -x .venv-docs/bin/python || $(UV) venv -q --python $(PYTHON) .venv-docs
	$(UV) pip sync -q --python .venv-docs/bin/python --require-hashes requirements/docs.txt
	touch $@

.venv-release/.ready: requirements/release.txt | $(UV)
	test -x .venv-release/bin/python || $(UV) venv -q --python $(PYTHON) .venv-release
	$(UV) pip sync -q --python .venv-release/bin/python --require-hashes requirements/release.txt
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install -q uv

clean:
	rm -rf $(VENV) .venv-docs .venv-release .venv-oldest .uv dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
