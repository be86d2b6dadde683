# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# All that is needed is git, make and a Python of 3.11 or newer with its venv module.
# Another Python: make PYTHON=/path/to/python3.13

PYTHON ?= $(shell command -v python3)
PYTHON := $(PYTHON)
PORT ?= 8080
WORKLOADS ?= 250

# pyenv's shims answer for interpreters that then do not run; Ansible takes them at their word.
CLEAN_PATH := $(shell printf %s "$$PATH" | tr ':' '\n' | grep -v '/shims/*$$' | tr '\n' ':')
export PATH := $(CURDIR)/.venv/bin:$(CLEAN_PATH)
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
# Nothing here may reach a real control plane, or follow somebody's own Ansible configuration.
unexport RUNAI_BASE_URL RUNAI_CLIENT_ID RUNAI_CLIENT_SECRET RUNAI_BEARER_TOKEN RUNAI_CA_PATH RUNAI_VALIDATE_CERTS RUNAI_PROXY
unexport ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH VIRTUAL_ENV PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-matrix docs build simulator bench schema lock clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready ## Make the virtual environment in .venv (the others do this by themselves)

demo: .venv/.ready ## Play the maintenance of a node with ansible-playbook against the simulator
	@python -m demo

check: .venv/.ready ## The fast checks, under two minutes: ruff, mypy, licences, spelling, unit tests
	@python -m tools.run_suite --fast

test: .venv/.ready ## Everything: check, simulator, end to end, ansible-test, lint, docs, molecule
	@python -m tools.run_suite

test-matrix: .venv/.ready ## All modules and playbooks on each supported ansible-core (not part of test)
	@python -m pytest -q -rs --numprocesses=2 tests/e2e/matrix.py

docs: .venv/.ready ## Build the documentation site in .cache/docs
	@python -m tools.build_docs

build: .venv/.ready ## Build the collection's tarball in .cache/build, the same bytes for the same commit
	@python -m tools.build_tarball

simulator: .venv/.ready ## Start the simulator on http://127.0.0.1:PORT (Ctrl-C stops it)
	@python -m simulator --port $(PORT) --workloads $(WORKLOADS)

bench: .venv/.ready ## Compare with what people use instead, as ratios, in a quarter of an hour (parts: python -m benchmarks --help)
	@python -m benchmarks

schema: .venv/.ready ## Write docs/record.schema.json anew, from the types of a record's lines
	@PYTHONPATH=.venv/tree python -m tools.record_schema

lock: .venv/.ready ## Resolve the development requirements anew, with hashes, into requirements/*lock.txt
	@python -m tools.lock_requirements

clean: ## Remove everything that was made here
	rm -rf .venv .cache tests/output

.venv/.ready: requirements/lock.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@echo "Setting up .venv ..."
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@# uv itself first, in the version and with the hashes of the lock.
	@sed -n '/^uv==/,/[^\\]$$/p' requirements/lock.txt > .venv/uv.txt
	@[ -x .venv/bin/uv ] || python -m pip install -qq --disable-pip-version-check --require-hashes -r .venv/uv.txt
	@python -m tools.install .venv --require-hashes -r requirements/lock.txt
	@# Most tools find a collection only by such a path. It must never be on Ansible's own path by default.
	@mkdir -p .venv/tree/ansible_collections/gpuops && ln -sfn ../../../.. .venv/tree/ansible_collections/gpuops/runai
	@touch $@
