# A thin face: each target is one thing to want. What they do lives in cargo and in scripts/.

.DEFAULT_GOAL := help
.PHONY: run run-micro test test-long bench fmt lint doc deny help

CARGO ?= cargo

# Tests wait for servers more than they compute.
test test-long: export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

run: ## Build and run everything in one process, on embedded SQLite (the monolith)
	$(CARGO) run --release --locked -- serve

run-micro: ## Build and run every service as a process of its own, on SQLite (the split)
	$(CARGO) run --release --locked -- serve --mode micro

test: ## Install what the tests need, then check formatting, lints, documentation; run every test
	scripts/test-setup.sh
	$(CARGO) fmt --all --check
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory doc
	$(CARGO) test --workspace --locked

test-long: ## Run the tests that take minutes, too, and those of TLS to Kafka
	scripts/test-setup.sh
	$(CARGO) test --workspace --locked -- --include-ignored
	$(CARGO) test --package bus --features kafka-tls --locked -- kafka

bench: ## Measure what calls, purchases, events on their way and a long log cost on this machine
	scripts/test-setup.sh
	$(CARGO) bench --package boxoffice --bench bench --locked
	$(CARGO) bench --package store --bench log --locked

fmt: ## Format the code
	$(CARGO) fmt --all

lint: ## Check the code with clippy; every warning is an error
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

doc: ## Build the code's documentation; every warning is an error
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

deny: ## Check licences, advisories and banned crates (needs cargo-deny)
	$(CARGO) deny check

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
