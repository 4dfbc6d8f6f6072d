# Shortcuts for contributors; CONTRIBUTING.md explains them.
SHELL := bash
VENV ?= .venv
PYTHON := $(VENV)/bin/python

.PHONY: help setup run stop check quick test fmt schema messages

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Virtual environment, tools, translations and the commit hook
	. scripts/lib.sh && make_venv "$$(find_python)" && install_platform \
	  && install_once test-tools -r requirements-dev.txt && compile_translations
	[[ ! -e .git ]] || $(PYTHON) -m pre_commit install

run: ## Install and start the platform with a demo model
	./scripts/deploy-source.sh development

stop: ## Stop the platform; engines keep running
	./scripts/stop-source.sh

check: ## CI's checks: lint, format, types, imports, migrations, schema
	$(PYTHON) -m pre_commit run --all-files

quick: ## Checks, and tests that need no engine, browser or Docker
	./scripts/test.sh --quick

test: ## Every check and test
	./scripts/test.sh

fmt: ## Fix lint and format
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

schema: ## Write docs/openapi.yaml after a change of the API
	$(PYTHON) manage.py spectacular --lang en --file docs/openapi.yaml

messages: ## Compile the translations after a change of locale/
	. scripts/lib.sh && compile_translations
