# Every check is defined here once; CI and hooks call these targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11

.PHONY: help
help: ## show this
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | \
	  while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

.PHONY: build
build: ## install what is needed and build everything (a second run takes a second)
	@$(PYTHON) -m tools.prepare

.PHONY: build-demo
build-demo: ## the same, with the demo's own environment (libp2p)
	@$(PYTHON) -m tools.prepare --demo

.PHONY: build-tests
build-tests: ## the same, with other people's programs that the tests use (pip, npm, Go)
	@$(PYTHON) -m tools.prepare --demo --clients

.PHONY: demo
demo: build-demo ## run the service with a real libp2p network beside it
	@exec $(BIN)/blackhole demo $(ARGS)

.PHONY: serve
serve: build ## run the service (ARGS="--data-dir DIR")
	@exec $(BIN)/blackhole serve $(ARGS)

.PHONY: test test-rust test-web test-browser test-python
test: build-tests wheel test-rust test-web test-browser test-python ## build everything and run every test

test-rust: build
	cargo test --manifest-path rust/Cargo.toml --locked --no-default-features

test-web: build
	npm --prefix web run test

test-browser: build-demo
	npm --prefix web run test:browser

.PHONY: browser
browser: ## install Debian's Chromium, where this may install, for the tests of the page
	@$(PYTHON) -m tools.browser

test-python: build-tests wheel
	BLACKHOLE_WHEEL=$$(ls -t dist/*.whl | head -1) $(BIN)/pytest -n auto --dist loadgroup $(ARGS)

.PHONY: crash
crash: build ## kill the service 200 times under load, and count every point (ARGS as for pytest)
	BLACKHOLE_KILLS=$${BLACKHOLE_KILLS:-200} $(BIN)/pytest tests/crash $(ARGS)

.PHONY: clients clients-golden build-clients
build-clients: build-tests
	@$(PYTHON) -m tools.prepare --clients --heavy

clients: build-clients ## real clients at their defaults, a Collector and Kubo among them (built with Go; ARGS as for pytest)
	BLACKHOLE_CLIENTS=1 $(BIN)/pytest tests/clients $(ARGS)

clients-golden: build-clients ## record anew what a Collector and Kubo send, for tests where they are not built
	$(BIN)/python -m tests.clients.record

.PHONY: model
model: build ## 20,000 random commits, chores and crashes, each compared with a plain model (ARGS as for pytest)
	BLACKHOLE_MODEL_STEPS=$${BLACKHOLE_MODEL_STEPS:-20000} nice $(BIN)/pytest -n auto tests/store/test_model.py $(ARGS)

.PHONY: rates
rates: build ## 20,000 random cases of rates and levels, each compared with a plain model (ARGS as for pytest)
	BLACKHOLE_RATES=$${BLACKHOLE_RATES:-20000} nice $(BIN)/pytest -n auto tests/query/rates $(ARGS)

.PHONY: audit
audit: build ## try whether the privacy engine keeps its promise, 10,000 times a side (ARGS as for the command)
	nice $(BIN)/blackhole privacy audit $(ARGS)

.PHONY: fuzz
fuzz: build ## a million broken and valid inputs for both decoders (ARGS="INPUTS SEED")
	$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: promql-golden
promql-golden: build ## build Prometheus with Go and renew its answers that PromQL is tested with
	$(BIN)/python -m tests.promql.oracle

.PHONY: bench
bench: build ## measure cost a data point, start-up and memory
	$(BIN)/python -m bench $(ARGS)
	$(BIN)/python -m bench.conformance

.PHONY: lint lint-python lint-rust lint-web
lint: lint-python lint-rust lint-web ## every static check

lint-python: build
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/stubtest blackhole._core

lint-rust:
	cargo fmt --manifest-path rust/Cargo.toml --check
	cargo clippy --manifest-path rust/Cargo.toml --locked --all-targets -- -D warnings

lint-web: build
	npm --prefix web run check

.PHONY: fmt
fmt: build ## format everything
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	cargo fmt --manifest-path rust/Cargo.toml
	npm --prefix web run format

.PHONY: wheel
wheel: build ## build the wheel: core, dashboard and catalogue in one file
	@rm -rf dist && $(BIN)/maturin build --release --locked --quiet --out dist && ls dist/*.whl

.PHONY: lock
lock: build ## renew the hashed requirement locks
	$(LOCK) --upgrade pyproject.toml --extra sdk requirements/dev.in -o requirements/dev.txt
	$(LOCK) --upgrade requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) --upgrade pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
	$(LOCK) --upgrade pyproject.toml --extra sdk -c requirements/dev.txt -o requirements/sdk.txt
	$(LOCK) --upgrade requirements/oracles.in -c requirements/dev.txt -o requirements/oracles.txt
	$(LOCK) --upgrade requirements/demo.in -o requirements/demo.txt
	$(LOCK) --upgrade requirements/clients.in -o requirements/clients.txt

.PHONY: clean
clean: ## remove what was built and installed
	rm -rf .build .venv .venv-demo .venv-clients dist rust/target web/node_modules src/blackhole/serve/static \
	  src/blackhole/_core*.so src/blackhole/catalogue/builtin/compiled.json
