# make demo   the main job, live (nothing but Python 3.11, git and make needed)
# make test   format, lint, types, import contracts, tests
# make bench  side by side with nginx and HAProxy: about twelve minutes; make bench BENCH=--quick, see bench/README.md
# make fix    format, and mend what ruff can mend
.PHONY: demo test bench fix lint clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

demo: $(VENV)/installed
	$(BIN)/settlegate demo

test: $(VENV)/installed-for-tests
	@sh tests/debian-packages.sh
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n auto --dist loadfile

bench: $(VENV)/installed-for-bench
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
	touch $@

# The versions that were tested together; pyproject.toml says which others may do.
$(VENV)/installed-for-tests: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@ $(VENV)/installed

$(VENV)/installed-for-bench: $(VENV)/bin/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[bench]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench/work
