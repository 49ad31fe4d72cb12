# Every target does its own set-up in .venv. PYTHON names the interpreter to build it with (3.11 or newer).
# Where another build of torch is wanted (on Linux the default one brings CUDA), set pip's own PIP_EXTRA_INDEX_URL.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := .venv/installed
# No benchmark, an hour long, in need of data sets or of Ray, or a part of benchmarks/engines.py.
OTHERS = tables ray_overhead service_load mutation time_to_accuracy plan unfamiliar_images degraded_photographs $(patsubst benchmarks/%.py,%,$(wildcard benchmarks/speed_*.py))
SCRIPTS = $(filter-out $(OTHERS:%=benchmarks/%.py),$(sort $(wildcard benchmarks/*.py)))

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage runtime fuzz crash ray distributed floors audit lint types bench load mutation tables docs build clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/ -/'

# pip would compile one module after another, for a minute; `compileall` uses every core.
$(INSTALLED): pyproject.toml models/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cenet needs Python 3.11 or newer: make PYTHON=...")'
	test -d $(BIN) || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]' --editable models
	$(BIN)/python -m compileall -qq -j 0 .venv || true
	@touch $@

setup: $(INSTALLED)  ## install the packages and their tools into .venv

demo: setup  ## segment a real photograph, draw phantoms, train on them, score
	rm -rf cenet-demo
	$(BIN)/cenet demo

# Two processes of one thread each: more threads than cores would only wait for each other. With `worksteal` each gets
# half of the files, so that what a file prepares once is seldom prepared twice.
test: setup  ## run every test and example
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

coverage: setup  ## run every test with branch coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term

fuzz: setup  ## read 50,000 mutated images and 20,000 mutated run folders, send 2,000 requests; write results/fuzz*.json
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	$(BIN)/python tests/fuzz/fuzz_images.py
	$(BIN)/python tests/fuzz/fuzz_service.py
	CENET_FUZZ_FOLDERS=20000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/fuzz/test_run_folders.py

crash: setup  ## kill trainings, cross-validations and predictions at every rename, and at 30 moments
	CENET_CRASH=all OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/crash

runtime: setup  ## predict with exported models in an environment without PyTorch, print its size
	$(BIN)/python .ci/runtime.py

# Ray is large, so it has an environment of its own.
ray: setup  ## predict with Ray's processes, kill one of them, compare with one process
	test -d .venv-ray || $(PYTHON) -m venv .venv-ray
	.venv-ray/$(notdir $(BIN))/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	OMP_NUM_THREADS=1 .venv-ray/$(notdir $(BIN))/python -m pytest tests/ray/predict_with_ray.py

distributed: setup  ## train with two processes, kill one of them, resume; compare with one process
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/distributed/two_processes.py

floors: setup  ## run every test with the oldest versions that pyproject.toml allows, in .venv-floors
	test -d .venv-floors || $(PYTHON) -m venv .venv-floors
	$(BIN)/python .ci/floors.py > .venv-floors/floors.txt
	.venv-floors/$(notdir $(BIN))/python -m pip install --quiet --constraint .venv-floors/floors.txt --editable '.[dev]'
	OMP_NUM_THREADS=1 .venv-floors/$(notdir $(BIN))/python -m pytest -n 2

audit: setup  ## look for known advisories of every pinned version and of every floor
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/python .ci/floors.py > .venv/floors.txt
	$(BIN)/python .ci/audit.py constraints.txt .venv/floors.txt

lint: setup  ## check style, format and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: setup  ## check the types strictly
	$(BIN)/mypy

bench: setup  ## run every benchmark: each prints a table and writes JSON
	set -e; for script in $(SCRIPTS); do $(BIN)/python $$script; done

MINUTES ?= 10
load: setup  ## load the service, send it faults, watch its memory for MINUTES=10; write results/service.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/service_load.py --minutes $(MINUTES)

mutation: setup  ## count how many small faults the tests of metrics, statistics and splits notice, for an hour
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[mutation]'
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/mutation.py

tables: setup  ## render the tables of README and SECURITY.md from results/
	$(BIN)/python benchmarks/tables.py

# The site runs the commands that its pages show, so that no output is out of date.
docs: setup  ## build the documentation site into site/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html; its search works where the site is served: python -m http.server --directory site"

build: setup  ## build wheels and source distributions of cenet and cenet-models into dist/
	$(BIN)/python -m build
	$(BIN)/python -m build --outdir dist models

clean:  ## remove what the tools leave behind; .venv and runs/ stay
	rm -rf dist build site .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
