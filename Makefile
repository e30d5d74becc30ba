# Everything below works from a fresh clone with make and a Python 3.11 or 3.12; `make` alone lists the targets.
# `make TARGET PYTHON=/path/to/python3.12` takes that Python, with an environment of its own: build/python3.12.
# Only `make test-edge` takes a Python 3.10 or 3.13 too.

# The first of these that runs, is 3.11 or 3.12, and can make an environment (some shims exist and fail).
CAN_SERVE := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
FOUND = $(shell for p in python3.12 python3.11 python3 python; do \
	"$$p" -c '$(CAN_SERVE)' 2>/dev/null && { command -v "$$p"; break; }; done)

VENV := .venv
ifneq ($(PYTHON),)
  ASKED := $(or $(shell bash requirements/find_python.sh '$(PYTHON)'),$(PYTHON))
  EDGE_PYTHONS := $(ASKED)
  ifeq ($(MAKECMDGOALS) $(shell '$(ASKED)' -c '$(CAN_SERVE)' 2>&1 || echo no),test-edge no)
    override PYTHON := $(FOUND)# makes the bundles; the Python that was asked for scores with them
  else
    override PYTHON := $(ASKED)
    VENV := build/$(or $(shell '$(ASKED)' -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>&1),none)
  endif
else
  PYTHON := $(FOUND)
endif
PY := $(VENV)/bin/python
PYPROJECTS := pyproject.toml edge/pyproject.toml export/pyproject.toml
VERSION_FILE := edge/sranogan_edge/__init__.py
LINTED := keras_sranogan edge/sranogan_edge export/sranogan_export tests requirements/install.py requirements/release.py

# What has been installed into $(VENV): the packages alone, or with everything for development.
RUN := $(VENV)/.run
DEV := $(VENV)/.dev

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Matrices here are small, and tests run beside each other: threads of one product would wait for each other.
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test coverage test-all test-random test-edge test-install test-notebook test-services test-scale device-image hostile fuzz mutants \
	mutants-changed mutants-quick release wheelhouse transfer lint format requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(DEV) ## make .venv with the pinned requirements and the three packages

# Compiled lists are complete: pip is to install them, not to resolve anything. Older pips look past a pin where a
# dependency names an extra, so that a list would rot with the first newer version on the index.
$(RUN): requirements/run.txt requirements/install.py $(PYPROJECTS) $(VERSION_FILE)
	@test -n '$(PYTHON)' || { \
		echo 'No Python 3.11 or 3.12 with venv found (tried python3.12, python3.11, python3, python).' >&2; \
		echo 'Install one (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.12' >&2; \
		exit 1; }
	@'$(PYTHON)' -c '$(CAN_SERVE)' || { \
		echo '$(PYTHON) does not serve: Python 3.11 or 3.12 with venv is needed.' >&2; exit 1; }
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/run.txt --editable edge --editable . --editable export
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/dev.txt
	@touch $@

demo: $(RUN) ## train on phantoms, export to int8, evaluate, score twelve films; about five minutes
	@$(VENV)/bin/sranogan-demo --out demo

# Three processes for two cores: many tests wait for a timeout or a disk. The tests of a file stay in one process.
PARALLEL := -n 3 --dist loadfile
test: $(DEV) ## the fast tests without real servers
	$(PY) -m pytest $(PARALLEL) --durations=15

coverage: $(DEV) ## the same with coverage, which takes them 40 % longer
	$(PY) -m pytest --cov

test-all: $(DEV) ## the fast and the slow tests, with coverage
	$(PY) -m pytest --cov -m ''

# Each test finds what it needs, whatever ran before it. pytest tells the seed; the same one gives the same order again.
TESTS ?= tests
test-random: $(DEV) ## the fast tests in any order; SEED=1234 repeats one, TESTS=tests/edge/spool is some of them
	$(PY) -m pytest $(PARALLEL) -p randomly $(if $(SEED),--randomly-seed=$(SEED)) $(TESTS)

# Each of these Pythons that is here, with the requirements of a device. What has TensorFlow makes the bundles first,
# where SRANOGAN_TEST_BUNDLES names none that are kept.
EDGE_PYTHONS ?= 3.10 3.11 3.12 3.13
test-edge: $(DEV) ## the edge's fast tests as devices have it, on each Python that is here
	@kept="$${SRANOGAN_TEST_BUNDLES:-$$(mktemp -d)}" && export SRANOGAN_TEST_BUNDLES="$$kept" && \
	$(PY) -m pytest -q tests/install/test_bundles.py && \
	for version in $(EDGE_PYTHONS); do bash tests/install/test_edge.sh $$version || exit 1; done

test-install: $(DEV) ## what holds on any fresh machine: lists, pips, Pythons, floors, wheels, the device guide
	$(PY) -m pytest -rs -m slow tests/install

test-notebook: $(DEV) ## the notebook of own images, every cell anew; two minutes
	$(PY) -m pytest -rs -m slow tests/end_to_end/test_own_images.py

test-services: $(DEV) ## the tests with real servers (DICOM, MQTT, RTSP) and a browser, fetched from Debian
	@if path="$$(bash tests/services/install.sh)"; then required=1; \
	else required=; path=; echo 'What is missing is skipped, and named below.' >&2; fi; \
	PATH="$$PATH:$$path" SRANOGAN_REQUIRE_SERVICES=$$required $(PY) -m pytest -rs -m 'services and not slow' tests/edge

FILES ?= 20000
KILLS ?= 12
test-scale: $(DEV) requirements/scale.txt ## archives: a Ray cluster, a store, FILES (20000) of them with KILLS (12) of the run; BUNDLE=... scores
	@test -f '$(BUNDLE)' || { echo "no $(BUNDLE): run make demo, or name a bundle with BUNDLE=..." >&2; exit 1; }
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/scale.txt
	@'$(PYTHON)' requirements/install.py build/store requirements/store.txt
	$(PY) -m pytest -rs -m '' tests/edge/archive
	nice $(PY) -m benchmarks.runner.archive --bundle '$(BUNDLE)' --files $(FILES) --kills $(KILLS)

transfer: $(DEV) ## print the table of designs on every set, from the committed figures
	$(PY) -m benchmarks.transfer table

lint: $(DEV) ## ruff, and mypy (the edge also as Python 3.10)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(LINTED)
	$(VENV)/bin/mypy --python-version 3.10 edge/sranogan_edge

format: $(DEV) ## let ruff sort imports and lay out the code
	$(VENV)/bin/ruff check --select I --fix .
	$(VENV)/bin/ruff format .

# The committed lists name no registry: pip asks the one that it is set up with, and the hashes hold for any mirror.
COMPILE := $(VENV)/bin/uv pip compile --system-certs --quiet --upgrade --universal --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make requirements'
TRAINING := --python-version 3.11 --fork-strategy fewest --no-emit-package keras-sranogan \
	--no-emit-package sranogan-edge --no-emit-package sranogan-export $(PYPROJECTS)
SERVICE := --python-version 3.10 --only-binary :all: --extra mqtt --extra webhook --extra page --extra sign --group build edge/pyproject.toml

requirements: $(DEV) ## compile all lists anew, with the newest versions allowed
	$(COMPILE) $(TRAINING) --group dev --output-file requirements/dev.txt
	$(COMPILE) $(TRAINING) --group build --constraints requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) $(SERVICE) --extra dicom --output-file edge/deploy/requirements.txt
	$(COMPILE) --python-version 3.10 --group test --constraints edge/deploy/requirements.txt \
		--output-file requirements/edge-test.txt
	$(COMPILE) --python-version 3.11 --group release --constraints requirements/dev.txt --output-file requirements/release.txt
	$(COMPILE) --python-version 3.11 --group mutants --constraints requirements/dev.txt --output-file requirements/mutants.txt
	$(COMPILE) --python-version 3.11 --group scale --constraints requirements/dev.txt --output-file requirements/scale.txt
	$(COMPILE) --python-version 3.11 --group store --output-file requirements/store.txt
	$(COMPILE) $(SERVICE) --constraints edge/deploy/constraints-jetson.txt --no-emit-package opencv-python-headless \
		--output-file edge/deploy/requirements-jetson.txt

# The environment of a device of this machine's kind, as small as it gets; its scores are proven with $(BUNDLE).
BUNDLE ?= demo/chest.sranogan
device-image: ## make build/device: what a device runs, pruned; BUNDLE=... proves that it scores the same
	@test -f '$(BUNDLE)' || { echo "no $(BUNDLE): run make demo, or name a bundle with BUNDLE=..." >&2; exit 1; }
	rm -rf build/device
	@'$(PYTHON)' requirements/install.py build/device edge/deploy/requirements.txt
	build/device/bin/pip install -qq --no-deps --no-build-isolation ./edge
	'$(PYTHON)' edge/deploy/prune.py build/device --prove '$(BUNDLE)'

MINUTES ?= 6
hostile: $(DEV) ## hostile films, PDUs, requests, floods, bundles and graphs against the runner for MINUTES (6); BUNDLE=... is made hostile
	@test -f '$(BUNDLE)' || { echo "no $(BUNDLE): run make demo, or name a bundle with BUNDLE=..." >&2; exit 1; }
	nice $(PY) -m benchmarks.runner.hostile --minutes $(MINUTES) --bundle '$(BUNDLE)'

EXAMPLES ?= 3000
# Under Hypothesis, which keeps what fails and tries it first the next time; and recorded associations, damaged.
FUZZED := tests/edge/settings/test_settings_fuzz.py tests/edge/image/test_decode_refused.py tests/edge/image/test_dicom_fuzz.py \
	tests/edge/bundle/test_archive.py tests/edge/runtime/test_one_signature.py tests/edge/feeds/test_dicom_fuzz_receive.py
fuzz: $(DEV) ## damaged settings, images, DICOM, bundles, graphs and PDUs, EXAMPLES (3000) of each
	SRANOGAN_FUZZ_EXAMPLES=$(EXAMPLES) nice $(PY) -m pytest -q $(FUZZED)

PARTS ?= conformal density scoring signature bundle spool delivery sinks dicom-write watch metrics split
mutants: $(DEV) requirements/mutants.txt ## change the code of PARTS in small ways, SAMPLE=100 of each or all: which do tests notice?
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/mutants.txt
	nice $(PY) -m benchmarks.mutants $(PARTS) $(if $(SAMPLE),--sample $(SAMPLE))
	$(PY) -m benchmarks.pages.mutants_page

BASE ?= HEAD~1
mutants-changed: $(DEV) requirements/mutants.txt ## the same of the lines that differ from BASE (HEAD~1); fails below 95 %
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/mutants.txt
	nice $(PY) -m benchmarks.mutants.changed --base '$(BASE)'

mutants-quick: BASE := HEAD~5
mutants-quick: $(DEV) requirements/mutants.txt ## a few of these in two minutes, since BASE (HEAD~5); fails below 75 %
	@'$(PYTHON)' requirements/install.py $(VENV) requirements/mutants.txt
	$(PY) -m benchmarks.mutants.changed --quick --base '$(BASE)'

RELEASE := build/release
release: ## dist/: wheels, sdists, an SBOM of each, SHA256SUMS; of a tree without changes
	@'$(PYTHON)' requirements/install.py $(RELEASE) requirements/release.txt
	@$(RELEASE)/bin/python requirements/release.py dist

# To be installed as docs/guide/own_images.md says: pip resolves among these alone. Two lists may name one package twice.
WHEELS := build/wheelhouse
wheelhouse: ## build/wheelhouse: wheels of everything, to install on machines of this kind that have no network
	@'$(PYTHON)' requirements/install.py $(RELEASE) requirements/release.txt
	rm -rf $(WHEELS)
	for listed in requirements/run.txt edge/deploy/requirements.txt; do $(RELEASE)/bin/pip download --quiet --no-deps \
		--require-hashes --only-binary :all: --dest $(WHEELS) --requirement $$listed || exit 1; done
	$(RELEASE)/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEELS) ./edge . ./export

clean: ## remove the environment, caches and the demo
	rm -rf $(VENV) demo build dist .coverage .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
