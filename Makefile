# labd: `make demo` shows what it is for, `make test` proves that it works. Both set up what they need.

BIN := .venv/bin

.PHONY: demo test lint bench bootstrap lock

demo: bootstrap
	@tools/demo

# The base image and its installer are made here once, if they are missing, and not by each test at the same time.
test: bootstrap lint
	$(BIN)/labd try examples/nile --output .cache/try
	$(BIN)/pytest

lint: bootstrap
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: bootstrap
	$(BIN)/python tests/bench/run.py

bootstrap:
	@tools/bootstrap

# The lock has hashes and no addresses: it serves whatever package index a machine has.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.lock
