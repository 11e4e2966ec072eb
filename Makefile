# Two commands do all the set-up: `make serve` and `make test`. The rest is for people who work on Pellucid.
#
# The environment lies in .venv; a stamp in it says what is installed, so a second call starts at once.

PYTHON ?= python3.11
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
OUT ?= runs
# Where pictures, base weights and features lie, e.g. make bundle ROOTS="--root full=/data/full --root models=/data/models"
ROOTS ?=
RECIPES := src/pellucid/defaults/recipes
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt

.PHONY: help serve demo install test system browser console-docs check audit fix lint types imports bench proof proof-kills bundle ship wheel clean
.DEFAULT_GOAL := help

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(VENV)/plain.stamp ## set up the torch-free service and start it on 127.0.0.1:8000
	$(BIN)/pellucid serve --host $(HOST) --port $(PORT)

# KEEP=1 serves what the last demo left; PICTURES is how many beside those that play a part.
PICTURES ?= 24
demo: $(VENV)/plain.stamp ## fill a fresh service with pictures, flags, appeals and rulings, in OUT/demo, and leave it running
	$(BIN)/python -m examples.demo --out $(OUT) --port $(PORT) --pictures $(PICTURES) $(if $(KEEP),--keep)

test: check ## set up everything, then lint, types, imports and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

# Ray makes a token of its own where none is set; the tests bring theirs. See docs/distributed.md.
system: $(VENV)/dev.stamp ## after `make test`: workers killed and resumed, a Ray cluster, a search; minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m system tests/system

# axe-core is only run, never shipped: fetched from the npm registry into the environment, and compared with its hash.
AXE := 4.14.1
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

browser: $(VENV)/dev.stamp $(VENV)/axe/axe.min.js ## after `make test`: the console in Debian's chromium, with axe-core; minutes
	OMP_NUM_THREADS=1 REQUIRE_BROWSER=1 AXE_CORE=$(VENV)/axe/axe.min.js $(BIN)/python -m pytest -m browser tests/browser

console-docs: $(VENV)/dev.stamp ## screenshots of the console and the timed path, into docs
	OMP_NUM_THREADS=1 WRITE_DOCS=1 $(BIN)/python -m pytest -m browser tests/browser/test_screenshots.py tests/browser/test_timed_path.py

$(VENV)/axe/axe.min.js: | $(VENV)/dev.stamp
	mkdir -p $(VENV)/axe
	cd $(VENV)/axe && npm pack --silent axe-core@$(AXE)
	echo "$(AXE_SHA256)  $(VENV)/axe/axe-core-$(AXE).tgz" | sha256sum --check --quiet
	tar -xzf $(VENV)/axe/axe-core-$(AXE).tgz -C $(VENV)/axe --strip-components=1 --touch package/axe.min.js

check: lint types imports ## lint, spelling, types, import contracts, dependencies

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos

types: $(VENV)/dev.stamp
	$(BIN)/mypy

imports: $(VENV)/dev.stamp
	$(BIN)/lint-imports
	$(BIN)/deptry .

# Exit status 3 where the database cannot be asked, 1 where something is known.
audit: $(VENV)/dev.stamp ## ask a vulnerability database (network) of every pin; says so where it could not be asked
	$(BIN)/python .ci/audit.py

fix: $(VENV)/dev.stamp ## let the linters repair what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/dev.stamp ## set up everything and do nothing else

bench: $(VENV)/dev.stamp ## measure the service on this machine beside the bare encoder loop
	$(BIN)/python benchmarks/service.py

proof: $(VENV)/dev.stamp ## the final evaluation of the shipped bundle, test splits included (needs OUT/data of `make bundle`)
	$(BIN)/pellucid evaluate $(RECIPES)/evaluation.toml --final --root bundle=src/pellucid/defaults/bundle --out $(OUT)

.PHONY: proof-fuzz
FILES ?= 20000

proof-fuzz: $(VENV)/dev.stamp ## FILES damaged files of every format through a running service: no 5xx, no hang, memory flat
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz --files $(FILES) --out docs/proofs/fuzz.md

KILLS ?= 200

proof-kills: $(VENV)/dev.stamp ## kill -9 under load, KILLS times on each database: nothing lost, nothing answered twice
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kills --kills $(KILLS) --out docs/proofs/kills.md

# Roots: weights (a folder `clip`), pictures (for the int8 scales), full, archive, models (text vectors), wheels (safety model).
# SIZE=detector: a new detector and domain rule alone, the rest of the bundle as it ships (needs full, archive, models).
# SIZE=smoke: the same stages on what benchmarks/made_world.py makes, in minutes and without roots, to OUT/bundles/smoke.
SIZE ?= full
ifeq ($(SIZE),smoke)
bundle: OUT := $(OUT)/smoke
bundle: MADE := $(OUT)/made
bundle: ROOTS = --root weights=$(MADE) --root pictures=$(MADE)/captions/images --root made=$(MADE)/pictures \
	--root captions=$(MADE)/captions --root models=$(MADE) --root shipped=src/pellucid/defaults/bundle
bundle: BUNDLE := smoke
bundle: RUN_ENCODER := encoder-smoke
bundle: RUN_INGEST := bundle-data-smoke caption-data-smoke
bundle: RUN_TRAIN := detector-smoke captioner-smoke tags-smoke
bundle: RUN_EXPORT := bundle-smoke
bundle: RUN_EVALUATE := evaluation-smoke
else ifeq ($(SIZE),detector)
bundle: override ROOTS += --root served=src/pellucid/defaults/bundle
bundle: SERVED := src/pellucid/defaults/bundle
bundle: BUNDLE := embedded-6
bundle: RUN_INGEST := detection-data
bundle: RUN_TRAIN := detector
bundle: RUN_EXPORT := bundle-detector
bundle: RUN_EVALUATE := evaluation-detector
else
bundle: BUNDLE := embedded-6
bundle: RUN_ENCODER := encoder
bundle: RUN_INGEST := detection-data caption-data
bundle: RUN_TRAIN := detector captioner tags
bundle: RUN_EXPORT := bundle
bundle: RUN_EVALUATE := evaluation-val
endif
bundle: $(VENV)/dev.stamp ## the whole pipeline, from pictures to OUT/bundles (needs ROOTS; hours on 2 cores); SIZE=smoke: minutes
	mkdir -p $(OUT)/features
	$(if $(MADE),test -d $(MADE) || $(BIN)/python benchmarks/made_world.py $(MADE))
	$(if $(SERVED),mkdir -p $(OUT)/encoder && cp $(SERVED)/encoder.onnx $(OUT)/encoder/,\
		$(BIN)/pellucid export $(RECIPES)/$(RUN_ENCODER).toml $(ROOTS) --out $(OUT))
	set -e; for recipe in $(RUN_INGEST); do $(BIN)/pellucid ingest $(RECIPES)/$$recipe.toml $(ROOTS) --root encoder=$(OUT)/encoder --out $(OUT); done
	set -e; for recipe in $(RUN_TRAIN); do $(BIN)/pellucid train $(RECIPES)/$$recipe.toml $(ROOTS) --out $(OUT); done
	$(BIN)/pellucid export $(RECIPES)/$(RUN_EXPORT).toml $(ROOTS) --out $(OUT)
	$(BIN)/pellucid bundle verify $(OUT)/bundles/$(BUNDLE)
	$(BIN)/pellucid evaluate $(RECIPES)/$(RUN_EVALUATE).toml $(ROOTS) --out $(OUT)

ship: ## put OUT/bundles/embedded-6 into the package
	rm -rf src/pellucid/defaults/bundle
	cp -R $(OUT)/bundles/embedded-6 src/pellucid/defaults/bundle

wheel: $(VENV)/plain.stamp ## build dist/pellucid-*.whl, the default bundle inside
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps --wheel-dir dist .

clean: ## remove the environment and every cache; data and runs stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/plain.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) --editable .
	touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP_INSTALL) --editable '.[train,dev]'
	touch $@ $(VENV)/plain.stamp
