# mien: `make run` and `make test` need only make and a bare Python 3.11 or newer. `make help` lists the rest.

# The first interpreter that is new enough; override with `make run PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN := .venv/$(BIN)
DEV := .venv-dev/$(BIN)

# Debian packages that the tests need beside Python's: a server that the workers of a search share, a browser, a screen for
# windows, clips and sound.
SYSTEM_PACKAGES := postgresql chromium xvfb ffmpeg

# Where the environment forbids Python to keep what it has compiled, every process of the tests would compile torch anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check format site dist audit bench soak ship system clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/'

run: .venv/installed ## install the core and recognise the faces in a bundled photograph
	@$(RUN)/mien demo

# Two processes of one thread each: OpenMP's threads wait for each other by spinning, which costs the other process a core.
test: check ## install everything, run the checks and the whole test suite
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(DEV)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv-dev/installed ## style, types, imports between rooms, spelling
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	$(DEV)/lint-imports --no-logo
	$(DEV)/codespell

format: .venv-dev/installed ## put the code into shape
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

# Which version of its commit the site and a build show as their date.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1577836800)

site: .venv-dev/installed ## build the documentation into site/, with the wheel beside it
	@$(DEV)/python scripts/fetch_mermaid.py || echo "The site shows the text of its diagrams."
	NO_MKDOCS_2_WARNING=1 $(DEV)/python -m mkdocs build --quiet
	@$(DEV)/uv build --quiet --wheel --out-dir site/download
	@rm -f site/download/.gitignore
	@echo "site/index.html"

dist: .venv-dev/installed ## build wheel and sdist twice, and see that they are the same byte by byte
	$(DEV)/python scripts/build_twice.py --out dist

audit: .venv-dev/installed ## ask the databases of known weaknesses (a network), and see that licences are as listed
	$(DEV)/python scripts/licences.py --check
	$(DEV)/python scripts/audit.py $(if $(CI),--if-reachable)

bench: .venv-dev/installed ## measure speed and memory on this machine
	@for script in benchmarks/*.py; do echo "== $$script"; $(DEV)/python $$script || exit 1; done

soak: .venv-dev/installed ## long tests: broken trainings, ten thousand photographs, mutated files
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(DEV)/python -m pytest -m soak -n 2 --dist worksteal tests

ship: .venv-dev/installed ## train the shipped models: make ship DATA=ferplus=DIR WILD=FOLDER [MINUTES=60], again until done
	$(DEV)/python scripts/ship.py --data "$(DATA)" --wild "$(WILD)" $(if $(MINUTES),--max-minutes $(MINUTES))

system: ## system packages for the tests (Debian and Ubuntu, as root)
ifeq ($(strip $(SYSTEM_PACKAGES)),)
	@echo "system packages: none needed"
else
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES)
endif

clean: ## remove the environments and caches, never data or runs
	rm -rf .venv .venv-dev .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build site

# An environment is made anew when what it holds has changed. Bytecode is written at first use, not for every module.
.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer, found none: install it, or say make PYTHON=..."; exit 2; }
	@echo "Installing mien into .venv (once; about half a minute) ..."
	@$(RUN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e .
	@touch $@

.venv-dev/installed: pyproject.toml constraints.txt scripts/fetch_web_runtime.py
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer, found none: install it, or say make PYTHON=..."; exit 2; }
	@echo "Installing mien with all extras and tools into .venv-dev (several GB: torch brings its CUDA libraries) ..."
	@$(DEV)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv-dev
	@$(DEV)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@VIRTUAL_ENV=.venv-dev $(DEV)/uv pip install --quiet -c constraints.txt -e '.[all]' --group dev
	@$(DEV)/python scripts/fetch_web_runtime.py || echo "The tests of \`mien export --format web\` will be skipped."
	@touch $@
