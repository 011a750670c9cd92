# `make` lists the targets.  Each brings the set-up up to date first, which takes no time when
# nothing has changed; see setup.sh for its settings.

SHELL := /bin/bash
BIN := $(or $(ELASTANE_VENV),.venv)/bin
LAYERS := solver materials meshes jobs benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long test-gpu check types format clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*##/ { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install everything: Debian packages, PETSc, Python packages (once, some 10 minutes)
	@./setup.sh

demo: setup  ## solve an example on two ranks
	"$(BIN)/elastane" run jobs/examples/schwarz.yml -n 2

test: setup  ## run all tests but the long ones
	# The tests of a file stay together: they share what is set up for them.
	"$(BIN)/python" -m pytest -m "not long" -n auto --maxprocesses 4 --dist loadfile

test-long: setup  ## run the tests that take minutes each
	"$(BIN)/python" -m pytest -m long

GPU ?= cuda
test-gpu: setup  ## run the tests and benchmarks of GPUs; GPU=hip for those of AMD
	ELASTANE_GPU_BACKEND=$(GPU) "$(BIN)/python" -m pytest tests/gpu
	"$(BIN)/elastane" bench operator --backend $(GPU)
	"$(BIN)/elastane" bench solve --backend $(GPU)

check: setup  ## format, lint, layers and types; changes nothing
	"$(BIN)/ruff" format --check .
	"$(BIN)/ruff" check .
	"$(BIN)/lint-imports"
	@$(MAKE) --no-print-directory types

types: setup  ## check the types
	# mypy knows nothing of setuptools' package-dir; it sees the import names through links.
	mkdir -p build/types/elastane
	for layer in $(LAYERS); do ln -sfn "../../../$$layer" "build/types/elastane/$$layer"; done
	"$(BIN)/mypy" -p elastane
	"$(BIN)/mypy" --explicit-package-bases tests

format: setup  ## format the code and mend what the linter can mend
	"$(BIN)/ruff" format .
	"$(BIN)/ruff" check --fix .

clean:  ## remove what is generated; keeps the virtual environment and the runs
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
