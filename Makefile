# Everything below works from a fresh clone with make and a Python 3.11 or 3.12; `make` alone lists the targets.
# Choose another Python with `make setup PYTHON=/path/to/python3.12`.

# The first of these that runs, is 3.11 or 3.12, and can make an environment (some shims exist and fail).
CAN_SERVE := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	"$$p" -c '$(CAN_SERVE)' 2>/dev/null && { command -v "$$p"; break; }; done)

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready
PYPROJECTS := pyproject.toml edge/pyproject.toml export/pyproject.toml
LINTED := keras_sranogan edge/sranogan_edge export/sranogan_export tests

export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test coverage test-all test-services lint format requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the pinned requirements and the three packages

$(STAMP): requirements/dev.txt $(PYPROJECTS)
	@test -n '$(PYTHON)' || { \
		echo 'No Python 3.11 or 3.12 with venv found (tried python3.12, python3.11, python3, python).' >&2; \
		echo 'Install one (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3.12' >&2; \
		exit 1; }
	@'$(PYTHON)' -c '$(CAN_SERVE)' || { \
		echo '$(PYTHON) does not serve: Python 3.11 or 3.12 with venv is needed.' >&2; exit 1; }
	@test -x $(PY) || '$(PYTHON)' -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e edge -e . -e export
	$(PY) -m pip check
	@touch $@

demo: $(STAMP) ## train on phantoms, export to int8, evaluate, score twelve images
	$(VENV)/bin/sranogan-train "phantom?train=600" --preset demo --out demo/run --resume
	$(VENV)/bin/sranogan-export demo/run --int8 --out demo/chest.sranogan
	$(VENV)/bin/sranogan-evaluate demo/chest.sranogan phantom --split test \
		--json demo/evaluation.json --report demo/report.html
	$(PY) -m keras_sranogan.data.phantom demo/images --count 12
	$(VENV)/bin/sranogan-score demo/chest.sranogan demo/images --out demo/scores
	@echo
	@echo 'The report:     $(CURDIR)/demo/report.html'
	@echo 'Twelve scores:  $(CURDIR)/demo/scores'

test: $(STAMP) ## the fast tests without real servers
	$(PY) -m pytest

coverage: $(STAMP) ## the same with coverage, which takes them 40 % longer
	$(PY) -m pytest --cov

test-all: $(STAMP) ## the fast and the slow tests, with coverage
	$(PY) -m pytest --cov -m ''

test-services: $(STAMP) ## the tests with real servers (DICOM, MQTT, RTSP) and a browser, fetched from Debian
	@if path="$$(bash tests/services/install.sh)"; then required=1; \
	else required=; path=; echo 'What is missing is skipped, and named below.' >&2; fi; \
	PATH="$$PATH:$$path" SRANOGAN_REQUIRE_SERVICES=$$required $(PY) -m pytest -rs -m 'services and not slow' tests/edge

lint: $(STAMP) ## ruff, and mypy (the edge also as Python 3.10)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(LINTED)
	$(VENV)/bin/mypy --python-version 3.10 edge/sranogan_edge

format: $(STAMP) ## let ruff sort imports and lay out the code
	$(VENV)/bin/ruff check --select I --fix .
	$(VENV)/bin/ruff format .

# The committed file names no registry: pip asks the one that it is set up with, and the hashes hold for any mirror.
requirements: $(STAMP) ## compile requirements/dev.txt anew, with the newest versions allowed
	$(VENV)/bin/uv pip compile --system-certs --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
		--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
		--no-emit-package keras-sranogan --no-emit-package sranogan-edge --no-emit-package sranogan-export \
		--custom-compile-command 'make requirements' --group dev --output-file requirements/dev.txt $(PYPROJECTS)

clean: ## remove the environment, caches and the demo
	rm -rf $(VENV) demo build edge/build export/build dist .coverage .mypy_cache .pytest_cache .ruff_cache
	rm -rf *.egg-info edge/*.egg-info export/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
