# make demo        the main job, live (nothing but Python 3.11, git and make needed; a C compiler makes it faster)
# make test        format, lint, types, import contracts, tests
# make test-pure   the tests of the relay, with nothing compiled in use
# make fuzz        each fuzz target for SECONDS (600 by default)
# make bench       side by side with nginx and HAProxy: about twelve minutes; make bench BENCH=--quick, see bench/README.md
# make fix         format, and mend what ruff can mend
.PHONY: demo test test-pure fuzz bench fix lint clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SECONDS ?= 600
# Where what is compiled is at work, seen from outside.
RELAY := $(patsubst %,tests/integration/test_%.py,attacks balancing client_faults closing_links connection_limits \
    early_answers expectations floods head_limits node_faults pages pipelines proxy_protocol refusals relay resumption \
    slow_clients stale_links tunnels upstream_tls workers) tests/conformance
# The sources of the modules that may be compiled, with their types: `sources` and `depends` in pyproject.toml.
COMPILED := $(shell sed -n 's/^\(sources\|depends\) = \["\(.*\)"\]$$/\2/p' pyproject.toml)

demo: $(VENV)/compiled
	$(BIN)/settlegate demo

test: $(VENV)/installed-for-tests $(VENV)/compiled
	@sh tests/debian-packages.sh
	$(MAKE) --no-print-directory lint
	CI=true $(BIN)/pytest -n auto --dist loadfile

test-pure: $(VENV)/installed-for-tests
	SETTLEGATE_PURE=1 $(BIN)/pytest -n auto --dist loadfile $(RELAY)

fuzz: $(VENV)/installed-for-tests $(VENV)/compiled
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench: $(VENV)/installed-for-bench $(VENV)/compiled
	@sh bench/debian-packages.sh
	$(BIN)/python -m bench $(BENCH)

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/installed-for-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/bin/python:
	PYTHON=$(PYTHON) sh deploy/make-venv.sh $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@ $(VENV)/compiled

# The versions that were tested together; pyproject.toml says which others may do.
$(VENV)/installed-for-tests: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/installed $(VENV)/compiled

# An installation compiles everything; afterwards only what an edit has made old is compiled again.
$(VENV)/compiled: $(COMPILED) | $(VENV)/installed
	@if [ -n "$$(find $(COMPILED) -newer $@ 2>&1)" ]; then \
	    $(BIN)/pip install --quiet --disable-pip-version-check 'setuptools>=77' 'cython>=3.1' && \
	    $(BIN)/python -W ignore -c 'import setuptools; setuptools.setup()' --quiet build_ext --inplace; fi
	touch $@

$(VENV)/installed-for-bench: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[bench]'
	touch $@ $(VENV)/installed $(VENV)/compiled

clean:
	rm -f $(wildcard $(addsuffix .*.so,$(basename $(COMPILED))) $(addsuffix .c,$(basename $(COMPILED))))
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .fuzz bench/work
