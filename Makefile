# make demo   turn the sample photographs upright
# make test   lint, types, tests, and source archive and wheel tried in a fresh environment
# make site   the documentation as a site, in dist/site; begin with its index.html
# make page   the page without a server, in dist/page; needs npm
# make constraints  write the versions of what is installed, once the tests have passed with them
# make clean  remove what these made
#
# PYTHON=python3.12 chooses the interpreter (3.10 to 3.13).

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
WHEELS := build/wheels
TRIAL := build/trial
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo site page test lint unit wheel constraints clean
.DELETE_ON_ERROR:

demo: $(VENV)/base
	$(BIN)/rotnet correct examples/photos -o straight --overwrite --max-loss 0.25 --fill blur --report straight/report.jsonl
	@$(BIN)/python examples/contact_sheet.py examples/photos straight

site: $(VENV)/dev
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -d build/site . dist/site
	@echo "the site: dist/site/index.html"

page: $(VENV)/base
	$(BIN)/python page/build.py -o dist/page

test: lint unit wheel
	@echo "all tests passed"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# the wheel is built of the source archive, so that both are tried at once. It must work without the source tree beside it:
# the trial runs elsewhere, from a folder with one photograph
wheel: $(VENV)/dev
	rm -rf build && mkdir build
	$(BIN)/python -m build --no-isolation --outdir $(WHEELS) . >build/log 2>&1 || { cat build/log; exit 1; }
	.ci/make-venv $(TRIAL)
	$(TRIAL)/bin/python -m pip --disable-pip-version-check install --quiet $(WHEELS)/*.whl
	.ci/try-wheel $(TRIAL)/bin examples/photos/astronaut.jpg

# whole or not at all
constraints: $(VENV)/dev
	$(BIN)/python .ci/write_constraints.py >constraints.part
	mv constraints.part constraints.txt

$(VENV)/python:
	.ci/make-venv $(VENV)
	@touch $@

$(VENV)/base: $(VENV)/python setup.cfg pyproject.toml
	@echo "installing rotnet into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev: $(VENV)/python setup.cfg pyproject.toml
	@echo "installing rotnet and its tools into $(VENV); the first time takes minutes"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/base $@

clean:
	rm -rf $(VENV) build dist straight rotnet.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
