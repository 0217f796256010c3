# Holdfast: a fresh machine with Python 3.11+ to a running archive (`make demo`) or a full test run (`make test`).
# Targets that a person calls carry a `## ` comment: `make help` prints those.

VENV    := .venv
BIN     := $(VENV)/bin
PYTHON  ?=
ARGS    ?=
WORKERS ?= 2
PACKAGES := archiver search retention api config
PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK    := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-slow explore fuzz lint format bench lock clean dev system pytest

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.stamp-demo ## a sample clinic in a throw-away archive; ARGS=--check checks itself and ends
	@$(BIN)/python -m api.demo $(ARGS)

test: system lint pytest ## everything a change must pass: tools, lint, types, all tests

test-slow: system $(VENV)/.stamp-dev ## the soak tests that `make test` leaves out
	@$(BIN)/python -m pytest -m slow

explore: $(VENV)/.stamp-dev ## the property tests on new random examples; ARGS="tests/search -x"
	@$(BIN)/python -m pytest --hypothesis-profile=default -m "not slow" $(ARGS)

fuzz: $(VENV)/.stamp-dev $(VENV)/.stamp-fuzz ## coverage-guided fuzzing of all parsers; ARGS="mime --seconds 600"
	@$(BIN)/python -m tests.fuzz $(ARGS)

lint: $(VENV)/.stamp-dev ## ruff, mypy --strict, import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy $(PACKAGES:%=-p %)
	@$(BIN)/lint-imports

format: $(VENV)/.stamp-dev ## let ruff correct what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.stamp-dev ## measure speed beside the raw floors; ARGS are the benchmark's
	@$(BIN)/python -m benchmarks $(ARGS)

dev: $(VENV)/.stamp-dev ## the virtual environment with all that work on Holdfast needs

lock: $(VENV)/.stamp-dev ## resolve the dependencies anew and write requirements/*.txt
	@$(LOCK) --extra dev --extra demo pyproject.toml -o requirements/dev.txt
	@$(LOCK) --extra fuzz -c requirements/dev.txt pyproject.toml -o requirements/fuzz.txt
	@$(LOCK) --extra demo -c requirements/dev.txt pyproject.toml -o requirements/demo.txt
	@$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	@$(LOCK) requirements/build.in -o requirements/build.txt

clean: ## remove the virtual environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- steps ----------------------------------------------------------------------------------------

system:
	@scripts/system-tools

# Tests of one file share a worker, and with it that file's servers. pytest's summary is the last line.
# Many tests start Python anew: with what it compiled kept, each start takes half as long.
pytest: $(VENV)/.stamp-dev $(VENV)/gowitness
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Where there is no Go it isn't made, and the next run looks again.
$(VENV)/gowitness: $(wildcard tests/servers/gowitness/*) | $(VENV)/.stamp-venv
	@scripts/go-witness $(abspath $@)

$(VENV)/.stamp-venv:
	@python=$$(scripts/find-python $(PYTHON)) && echo "making $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.stamp-demo: requirements/demo.txt
$(VENV)/.stamp-dev: requirements/dev.txt
$(VENV)/.stamp-fuzz: requirements/fuzz.txt

# Every download is checked against its hash; then the project itself, which brings nothing with it.
$(VENV)/.stamp-%: $(VENV)/.stamp-venv requirements/build.txt pyproject.toml
	@echo "installing requirements/$*.txt (checked by hash)"
	@$(PIP) --require-hashes -r requirements/$*.txt
	@$(PIP) --require-hashes -r requirements/build.txt
	@$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@
