# labd: `make demo` shows what it is for, `make test` proves that it works, `make install` (as root) installs it. All
# set up what they need.

BIN := .venv/bin

.PHONY: demo test test-fast lint bench soak bootstrap install lock

demo: bootstrap
	@tools/demo

# The base images and the installer are made here once, if they are missing, and not by each test at the same time.
test: bootstrap lint
	for example in nile pendulum geyser; do $(BIN)/labd try examples/$$example --output .cache/try-$$example || exit 1; done
	$(BIN)/pytest

# No Docker, no root, less than a minute on two cores: for each change, before the whole.
test-fast:
	$(BIN)/pytest -q -n 3 tests/unit tests/test_architecture.py tests/fast

lint: bootstrap
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: bootstrap
	$(BIN)/python tests/bench/run.py

# People at work with a lab in a box that is disturbed; as root. No part of `make test`: it takes as long as it is told.
MINUTES := 30
soak: bootstrap
	$(BIN)/python tests/soak/run.py --minutes $(MINUTES)

bootstrap:
	@tools/bootstrap

install:
	@tools/install

# The locks have hashes and no addresses: they serve whatever package index a machine has. For development, for the
# server, and for building what is installed on the server.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links

lock:
	$(LOCK) --extra dev pyproject.toml -o requirements.lock
	$(LOCK) --constraint requirements.lock pyproject.toml -o requirements-server.lock
	echo hatchling | $(LOCK) - -o requirements-build.lock
