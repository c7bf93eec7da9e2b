# Every command goes through .venv/bin/python -m, and every path is relative: the folder may hold spaces or be deep.
.NOTPARALLEL:
.DEFAULT_GOAL := help

PY := .venv/bin/python
# Tools that load Django's settings need a home folder; it is theirs alone.
CHECK_HOME := LILONG_HOME=.cache/check-home
# Debian's release, which decides the release of Slurm: bookworm has 22.05, trixie has 24.11.
SUITE ?= bookworm
FOLDER ?= .cache/slurm/$(SUITE)
LONG_BENCHES := agreement crash crash-slurm fuzz optimiser
BENCHES := $(filter-out $(LONG_BENCHES),$(subst _,-,$(filter-out _%,$(basename $(notdir $(wildcard tests/bench/*.py))))))

.PHONY: help setup runtime demo demo-slurm serve test check format lint types imports licences audit project bench docs \
	texts screenshots \
	slurm-up slurm-down

help: ## Show the targets
	@grep -hE '^[a-z%-]+:.*##' Makefile | sed -E 's/:.*## /	/' | expand -t 14

setup: ## Make the environment for working on Lilong
	@sh setup/environment dev

runtime:
	@sh setup/environment

demo: runtime ## Play one paid job from quote to settlement in a fresh folder
	@sh setup/system-packages bubblewrap
	@$(PY) -m lilong.cli.main demo

demo-slurm: setup ## Play an order that begins on one real Slurm cluster and ends on another
	@sh setup/system-packages bubblewrap passwd sudo debian-archive-keyring
	@$(PY) -m tests.slurm.demo

serve: runtime ## Run a hub here: web, worker and agent
	@sh setup/system-packages bubblewrap
	@$(PY) -m lilong.cli.main serve

test: setup ## Run every test suite: see tests/suites.toml
	@sh setup/system-packages bubblewrap postgresql passwd sudo systemd debian-archive-keyring chromium fonts-noto-cjk \
		xmlsec1
	@$(PY) -m tests.run

check: format lint types imports licences audit project ## Formatting, lint, types, import contracts, licences, known vulnerabilities, lock file

format: setup
	@echo "== format" && $(PY) -m ruff format --check --quiet || { echo "Run: $(PY) -m ruff format"; exit 1; }

lint: setup
	@echo "== lint" && $(PY) -m ruff check --quiet

types: setup
	@echo "== types" && $(CHECK_HOME) $(PY) -m mypy && $(PY) -m basedpyright

imports: setup
	@echo "== imports" && $(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-logo

licences: setup
	@echo "== licences" && $(PY) -m pytest -q tests/architecture/test_licences.py

audit: setup
	@echo "== audit" && $(PY) -m tests.audit

project: setup
	@echo "== project" && $(PY) -m uv lock --check --quiet && $(PY) -m uv build --quiet --out-dir .cache/dist

bench: $(addprefix bench-,$(BENCHES)) ## Run every short bench; bench-NAME runs tests/bench/NAME.py alone

bench-%: setup
	@sh setup/system-packages bubblewrap postgresql passwd sudo debian-archive-keyring chromium fonts-noto-cjk
	@echo "== bench $*" && $(PY) -m tests.bench.$(subst -,_,$*)

slurm-up: setup ## Start a Slurm cluster to try things on: SUITE=bookworm or trixie, FOLDER=…
	@sh setup/system-packages debian-archive-keyring
	@$(PY) -m tests.slurm.up "$(SUITE)" "$(FOLDER)"

slurm-down: setup ## End it
	@$(PY) -m tests.slurm.down "$(FOLDER)"

texts: setup ## Find all texts of pages, update and compile their translations, say what is left to translate
	@$(CHECK_HOME) $(PY) -m lilong.web.texts

screenshots: setup ## Photograph the main pages for the README, on a hub with synthetic data
	@sh setup/system-packages bubblewrap chromium fonts-noto-cjk
	@$(PY) -m docs.screenshots

docs: setup ## Write the generated reference pages, and build site/
	@$(CHECK_HOME) $(PY) docs/generate.py
	@$(PY) -m sphinx --quiet --fail-on-warning -b html docs site
	@echo "The documentation is in site/index.html"
