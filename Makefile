# The two commands are `make demo` and `make test`. CARGO_TARGET_DIR and CARGO_BUILD_JOBS are honoured.

.DEFAULT_GOAL := help
.PHONY: help setup build demo test fmt lint lines deny doc test-faults bench bench-foreign bench-instructions check-report clean-data

help: ## shows this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## installs the Debian packages that are missing (root or sudo without password)
	@scripts/setup.sh

build: ## builds the release binary, target/release/offhook
	@scripts/setup.sh build
	cargo build --locked --release --package offhook-server

demo: ## places a real call to the sample bot, then waits for yours (DEMO_ONCE=1 ends, DEMO_WAV=FILE calls with that)
	@scripts/setup.sh build run
	@scripts/demo.sh

test: ## the gate: everything that must hold before a change goes in
	@scripts/test.sh

test-faults: ## plants twenty faults, one after the other, and asks whether replay notices each (in make test too)
	@scripts/test.sh faults

fmt: ## formats all code
	cargo fmt --all

lint: ## the stages of the gate that run nothing
	@scripts/test.sh format lines clippy doc

lines: ## who may depend on whom, where unsafe and locks may stand
	@scripts/check-pure-line.sh

deny: ## licences, sources and banned crates, with the list of duplicates
	@scripts/deny.sh

doc: ## builds the documentation of all crates, target/doc
	cargo doc --locked --workspace --no-deps

bench: ## measures a release server, the table of benches/README.md (quiet machine, about 12 minutes)
	@scripts/bench.sh

bench-foreign: ## measures other SIP servers of Debian beside ours (installs them; quiet machine, about 6 minutes)
	@scripts/bench-foreign.sh

bench-instructions: ## counts instructions and compares with benches/instructions.json
	@scripts/instructions.sh

check-report: ## opens the HTML reports in a real Chromium (installs it), half a minute; FOLDER= keeps pages and pictures
	@scripts/check-report.sh $(FOLDER)

clean-data: ## removes what `offhook serve` kept here: records, journal, bundles, API key
	rm -rf offhook-data
