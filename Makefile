# Every task of the project as a target; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

CARGO_DENY_VERSION := 0.20.2
CARGO_LAMBDA_VERSION := 1.9.2
ZIG_VERSION := 0.17.1

# `make watch FUNCTION=bootstrap` runs the function without migrations instead.
FUNCTION ?= functions
EVENT ?= events/create.json
# The cases of `make test-faults`: how many by chance, and the seed of the first; and which of the matrix, all by default.
CASES ?= 1000
SEED ?= 0
FAULT ?=
SCENARIO ?=
STEP ?=
# Where `make watch` listens and `make invoke` calls.
PORT ?= 9000

# Everything the targets install stays inside the checkout, and goes before what the machine has.
TOOLS := .tools
VENV := $(TOOLS)/venv
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/$(TOOLS)/bin:$(PATH)

# Stamps: a tool is installed once, and again when its version or its list changes.
CARGO_DENY := $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION).stamp
PYTHON_TOOLS := $(VENV)/cargo-lambda-$(CARGO_LAMBDA_VERSION)-zig-$(ZIG_VERSION).stamp
NODE_TOOLS := infra/node_modules/.package-lock.json
BENCH_SCRIPTS := benches/node/node_modules/.package-lock.json
DYNAMODB_LOCAL := $(TOOLS)/dynamodb-local/installed

# Tests in which the engine makes no difference: loops over faults, and what runs on the strict plane or on none.
ENGINELESS := exactly_once:: matrix:: faults:: whatever_stops strict:: sequencing:: features:: convergence:: backfills:: \
	declarative:: planner:: normalisation:: preflight:: signed:: slices:: workers::

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
LAMBDA_DIR := target/lambda
E2E_FUNCTION_DIR := .e2e/function

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "%-20s %s\n", $$1, $$2 }' Makefile

.PHONY: tools
tools: $(PYTHON_TOOLS) $(NODE_TOOLS) ## Install cargo-lambda, zig, the local cloud and the CDK here

# As fast as the function's own build, and compiled in a fraction of the time.
.PHONY: install
install: ## Install the command line `tablewright`
	cargo install --locked --path cli --profile bench

.PHONY: demo
demo: $(PYTHON_TOOLS) ## Show the whole life of a stack, from create to delete, on this machine
	cargo run --example demo

.PHONY: test
test: ## Run the unit, integration and documentation tests
	cargo test --workspace

.PHONY: test-faults
test-faults: ## Kill the function in CASES seeded cases, from SEED on; then have each fault strike at each step
	TABLEWRIGHT_CASES="$(CASES)" TABLEWRIGHT_SEED="$(SEED)" cargo test --test it exactly_once::every
	TABLEWRIGHT_FAULT="$(FAULT)" TABLEWRIGHT_SCENARIO="$(SCENARIO)" TABLEWRIGHT_STEP="$(STEP)" \
		cargo test --test it matrix::every -- --ignored --nocapture

.PHONY: dynamodb-local
dynamodb-local: $(DYNAMODB_LOCAL) ## Install AWS's own DynamoDB Local here (needs Maven, and Java 17 or later)

.PHONY: test-dynamodb-local
test-dynamodb-local: $(DYNAMODB_LOCAL) ## Run the integration tests on DynamoDB Local
	TABLEWRIGHT_ENGINE=dynamodb-local cargo test --test it -- $(addprefix --skip ,$(ENGINELESS))

# `make bench ITEMS="10000 1000000"` measures backfills of tables of these sizes.
.PHONY: bench
bench: $(BENCH_SCRIPTS) $(DYNAMODB_LOCAL) ## Measure planning, a deploy with nothing to do, and backfills against loops by hand
	cargo bench --bench reconcile
	cargo bench --bench backfill

.PHONY: check
check: ## Check format, lints, documentation and dependencies, the quickest first
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
	$(MAKE) --no-print-directory types
	$(MAKE) --no-print-directory deny

.PHONY: test-infra
test-infra: $(NODE_TOOLS) ## Test the CDK construct
	npm test --prefix infra

.PHONY: types
types: $(NODE_TOOLS) ## Check the types that editors have for migrations in JavaScript
	node infra/node_modules/typescript/bin/tsc --noEmit --allowJs --strict --target es2022 --module es2022 \
		--moduleResolution bundler src/authoring/script/tablewright.d.ts tests/types/script.js

.PHONY: deny
deny: $(CARGO_DENY) ## Check the dependencies' licences, origins and versions
	cargo deny --locked --workspace check bans licenses sources

# Apart from `check`: its result changes with the database that it fetches, not with the code.
.PHONY: advisories
advisories: $(CARGO_DENY) ## Check the dependencies for known vulnerabilities (needs the network)
	cargo deny --locked --workspace check advisories

LAMBDA_BUILD = cargo lambda build --locked --release --bin bootstrap --lambda-dir "$(LAMBDA_DIR)"

# The binary comes last, so that it is the one of arm64, the construct's default.
.PHONY: build
build: $(PYTHON_TOOLS) ## Build the Lambda function for arm64 and x86-64, zipped
	$(LAMBDA_BUILD) --x86-64 --output-format zip
	mv "$(LAMBDA_DIR)/bootstrap/bootstrap.zip" "$(LAMBDA_DIR)/bootstrap-x86_64.zip"
	$(LAMBDA_BUILD) --arm64 --output-format zip
	mv "$(LAMBDA_DIR)/bootstrap/bootstrap.zip" "$(LAMBDA_DIR)/bootstrap-arm64.zip"
	$(LAMBDA_BUILD) --arm64 --output-format binary
	@wc -c "$(LAMBDA_DIR)"/bootstrap-*.zip "$(LAMBDA_DIR)/bootstrap/bootstrap"

.PHONY: serve
serve: ## Run a DynamoDB and a receiver of answers for `make watch` and `make invoke`
	cargo run --example demo -- serve

# Dummy credentials and the endpoint of `make serve`: no real account unless the caller names one.
.PHONY: watch
watch: export AWS_ACCESS_KEY_ID ?= local
watch: export AWS_SECRET_ACCESS_KEY ?= local
watch: export AWS_REGION ?= eu-west-1
watch: export AWS_ENDPOINT_URL ?= http://127.0.0.1:8000
watch: export TABLEWRIGHT_RESPONSE_HOSTS ?= 127.0.0.1,localhost
watch: $(PYTHON_TOOLS) ## Run FUNCTION as a local Lambda on PORT; rebuild it on changes
	cargo lambda watch --package tablewright $(if $(filter bootstrap,$(FUNCTION)),--bin,--example) "$(FUNCTION)" \
		--invoke-address 127.0.0.1 --invoke-port "$(PORT)"

# By no name: `watch` knows its one function as the default, and an example by no other name.
.PHONY: invoke
invoke: $(PYTHON_TOOLS) ## Send EVENT to the function that `make watch` runs
	cargo lambda invoke --data-file "$(EVENT)" \
		--invoke-address 127.0.0.1 --invoke-port "$(PORT)"

# The binary is stripped because every deploy zips it.
.PHONY: e2e
e2e: tools ## Deploy the demo app with the real CDK command line to a cloud on this machine
	cargo build --locked --example functions
	mkdir -p "$(E2E_FUNCTION_DIR)"
	strip -o "$(E2E_FUNCTION_DIR)/bootstrap" "$(TARGET_DIR)/debug/examples/functions"
	E2E_FUNCTION_DIR="$(CURDIR)/$(E2E_FUNCTION_DIR)" \
		python -m unittest discover --verbose --start-directory tests/e2e

# A test compares it with what the library says.
.PHONY: infra/lib/state-machine.json
infra/lib/state-machine.json: ## Write the definition of the state machine for the construct
	cargo run --quiet --package tablewright-cli state-machine > "$@.new"
	mv "$@.new" "$@"

.PHONY: infra/lib/rights.json
infra/lib/rights.json: ## Write what the function may do to tables, for the construct
	cargo run --quiet --example rights > "$@.new"
	mv "$@.new" "$@"

# Tests compare them with what the library says.
.PHONY: schemas
schemas: ## Write the JSON Schemas of the files that people write, and the document of findings
	TABLEWRIGHT_WRITE_SCHEMAS=1 cargo test --lib -- the_schema_in_the_repository_is_that_of_the_types
	TABLEWRIGHT_WRITE_SCHEMAS=1 cargo test --test it -- every_finding_is_explained_in_the_documents

.PHONY: clean
clean: ## Remove what the other targets made, the tools excepted
	cargo clean
	rm -rf .e2e infra/build infra/cdk.out "$(LAMBDA_DIR)"

# Unoptimised: it compiles much faster so, and a check takes two seconds all the same.
$(CARGO_DENY):
	cargo install --locked --debug --root "$(TOOLS)" "cargo-deny@$(CARGO_DENY_VERSION)"
	touch "$@"

$(DYNAMODB_LOCAL): tests/dynamodb-local/pom.xml
	rm -rf "$(@D)"
	mvn --quiet --batch-mode --file "$<" dependency:copy-dependencies \
		-DoutputDirectory="$(CURDIR)/$(@D)"
	touch "$@"

$(PYTHON_TOOLS): tests/e2e/requirements.txt
	python3 -m venv "$(VENV)"
	"$(VENV)/bin/pip" install --quiet --disable-pip-version-check --requirement "$<" \
		"cargo-lambda==$(CARGO_LAMBDA_VERSION)" "ziglang==$(ZIG_VERSION)"
	touch "$@"

$(NODE_TOOLS): infra/package-lock.json
	npm ci --prefix infra --no-audit --no-fund
	touch "$@"

$(BENCH_SCRIPTS): benches/node/package-lock.json
	npm ci --prefix benches/node --no-audit --no-fund
	touch "$@"
