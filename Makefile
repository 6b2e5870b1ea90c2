# What can be done here. Each target is one command, to be read and run by hand as well.

.DEFAULT_GOAL := help
.PHONY: help demo demo-stop test soak bench lint generate controlplane image

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## from kubectl apply to Active, on this machine (KEEP=1: and leave it up)
	@scripts/demo.sh $(if $(filter-out 0 no false,$(KEEP)),keep)

demo-stop: ## end what `make demo KEEP=1` has left up
	@scripts/demo.sh stop

test: ## format, clippy, and all tests, those on a real Kubernetes API server included
	@scripts/test.sh

soak: ## the random trials of `make test` for longer (DURATION=10m), on new seeds; a failure prints its EUICC_SEED
	EUICC_SOAK=$(or $(DURATION),10m) EUICC_MODEL_FAULTS=1 cargo test --locked --lib -- --nocapture activation::tests fuzz::tests

bench: ## what a fleet costs, as a table (ROWS="cost speed", SIZES="1000 10000", WRITE=1: into docs/performance.md)
	cargo bench --locked --bench fleet -- $(if $(ROWS),--rows $(ROWS)) $(if $(SIZES),--sizes $(SIZES)) $(if $(WRITE),--write)

lint: ## format and clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --features fault-points,otlp --all-targets -- -D warnings

generate: ## write anew what comes from the types and flags in src/ (crds/, docs/reference.md, docs/cli.md) and from charts/
	cargo run --locked --quiet --bin euicc-operator -- crds --output-dir crds
	cargo run --locked --quiet --example reference
	cp crds/*.yaml charts/euicc-operator-crds/files/
	scripts/chart-readme.sh

controlplane: ## build the Kubernetes API server that demo and test run on
	tests/controlplane/setup.sh

image: ## the container image, with docker, podman or buildah (IMAGE=name:tag VERSION=1.2.3)
	@scripts/image.sh
