# Every target first sets up what it needs. `make` without a target prints them all.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FREE   := .venv-free-threaded
ARGS   ?=

help:  ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.run  ## create .venv from the hash-pinned requirements

demo: setup  ## compare five pools in under two minutes; needs only Python
	@$(BIN)/poolbench demo

bench: setup  ## compare more pool sizes, at least seven repetitions, in about 270 s
	@$(BIN)/poolbench bench

learn: setup  ## show threads, processes, coroutines and the GIL in pictures, in under 90 s
	@$(BIN)/python -m lab.learn

questions: setup  ## answer eight questions of Celery users, in about twelve minutes
	@$(BIN)/python -m benchmarks.questions

up: setup  ## start the stack: on Docker if an engine answers, else as local processes
	@$(BIN)/poolbench up

down: setup  ## stop the stack; results are kept
	@$(BIN)/poolbench down

ps: setup  ## show each service's state and health
	@$(BIN)/poolbench ps

logs: setup  ## print the services' logs: make logs ARGS="worker-gevent --follow"
	@$(BIN)/poolbench logs $(ARGS)

submit: setup  ## send jobs: make submit ARGS="--pool prefork --job cpu.primes --count 100"
	@$(BIN)/python -m producer $(ARGS)

check: $(VENV)/.dev  ## check format, lint, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 --exclude asyncio_pool poolbench
	$(BIN)/lint-imports

test: $(VENV)/.dev  ## run unit and integration tests, on a real server and real workers
	$(BIN)/pytest -n 3 --dist loadfile tests/unit tests/integration

e2e: $(VENV)/.dev  ## test whole stacks, experiments and commands, as people use them
	$(BIN)/pytest -n 3 --dist loadfile tests/e2e/test_lab_*.py tests/e2e/test_pool_*.py
	$(BIN)/pytest --ignore-glob='*/test_lab_*.py' --ignore-glob='*/test_pool_*.py' tests/e2e

wheel: setup  ## build dist/poolbench-*.whl, to record workers of your own app
	@$(BIN)/python -m hatchling build --target wheel

schemas: $(VENV)/.dev  ## write docs/schemas and docs/experiment.md from the types
	$(BIN)/python docs/write_schemas.py

format: $(VENV)/.dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

free-threaded:  ## create .venv-free-threaded, for threads without the GIL: PYTHON=python3.14t
	@$(PYTHON) -c 'import sys, sysconfig; sysconfig.get_config_var("Py_GIL_DISABLED") or sys.exit("poolbench: $(PYTHON) is built with the GIL. Run uv python install 3.14t, then make free-threaded PYTHON=$$(uv python find 3.14t).")'
	@echo "setting up $(FREE)"
	@$(PYTHON) -m venv --clear $(FREE)
	@$(FREE)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/free-threaded.txt
	@$(FREE)/bin/python -m worker interpreter --no-gil

pins: $(VENV)/.dev  ## update requirements/ from pyproject.toml
	@for extra in run dev free-threaded runtime collector; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--upgrade --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make pins" --extra $$extra pyproject.toml -o requirements/$$extra.txt \
		$$(test $$extra = run || echo --constraint requirements/run.txt); done

$(VENV)/.run: requirements/run.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("poolbench: Python %d.%d is too old; install Python 3.11 or newer and run: make PYTHON=python3.11 setup" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: help setup demo bench learn questions up down ps logs submit check test e2e wheel format free-threaded pins
