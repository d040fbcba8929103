# Karyobridge: the commands a person types. `make` alone lists them.
# All paths are relative, so the folder's own name may contain spaces.

PYTHON ?=
TORCH ?=
TORCH_INDEX_URL ?=
ARGS ?=
UV_VERSION := 0.13.9

PY := .venv/bin/python
export PYTHONUNBUFFERED := 1
# Tests and benchmarks run several processes on the same cores (docs/decisions/0016).
export GOMP_SPINCOUNT ?= 3000

.PHONY: help setup demo study serve doctor test check audit sbom bench lock secrets clean
.DEFAULT_GOAL := help

help:  ## List what make can do
	@echo "Usage: make <target>"
	@echo
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/  \1	\2/p' Makefile | expand -t 12
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter, TORCH=cuda the CUDA build of torch."
	@echo "Settings of the service are environment variables; .env.example lists them all."

setup:  ## Create .venv and install everything; nothing to do the second time
	@PYTHON="$(PYTHON)" TORCH="$(TORCH)" TORCH_INDEX_URL="$(TORCH_INDEX_URL)" sh .ci/environment

demo: setup  ## Find and classify the chromosomes of the bundled metaphases, then stop everything again
	@$(PY) -m client.demo $(ARGS)

study: setup  ## See whether synthetic aberrations help; ARGS="--dataset name/1 --size cpu", else simulated
	@$(PY) -m client.study $(ARGS)

serve: setup  ## Run the whole service on this machine until Ctrl-C
	@$(PY) -m services.embedded $(ARGS)

doctor: setup  ## Check the installation and say what to do; ARGS="--url https://…" asks the API, too
	@$(PY) -m services.doctor $(ARGS)

test: setup  ## Run all tests; ARGS="-k name" passes options on
	@$(PY) -m pytest $(ARGS)

check: setup  ## Lint, check formatting, types and the direction of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

audit: setup  ## Look for known holes in what is locked
	@$(PY) .ci/audit.py

sbom: setup  ## Write what is in each image, as CycloneDX, to build/sbom
	@$(PY) .ci/sbom.py

bench: setup  ## Measure speed, queue and memory of the service; takes many minutes
	$(PY) -m benchmarks.jobs
	$(PY) -m benchmarks.service ratio
	$(PY) -m benchmarks.service memory
	$(PY) -m benchmarks.classification.speed
	$(PY) -m benchmarks.classification.scoring_memory

lock: setup  ## Resolve requirements*.in again; ARGS=--upgrade takes new versions
	@ARGS="$(ARGS)" UV_VERSION="$(UV_VERSION)" sh .ci/lock

secrets:  ## Make the secrets that docker-compose.yml mounts, once
	@sh .ci/secrets

clean:  ## Remove the environment and caches; data in var/ stays
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
