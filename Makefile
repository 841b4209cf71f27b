# `make` lists what there is to make.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# One thing after another, cheapest first: cargo uses all cores by itself.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help

# Stack of stack.yaml for synth, deploy and destroy.
STACK ?= local
PYTHON ?= python3
CARGO ?= cargo
# The AWS SDK takes two thirds of the time with it. Another wrapper that the environment names, such as sccache, stays.
export RUSTC_WRAPPER ?= $(CURDIR)/tools/rustc.sh
DEPLOYER := target/debug/deployer
# What `make release` makes.
RELEASE := target/dist/deployer
# Most bytes that it may have: it is downloaded whole, by each run of continuous integration.
MOST_BYTES := 40000000
LINUX := x86_64-unknown-linux-gnu
STATIC := -C target-feature=+crt-static
# The workers that the deployer carries are optimized as one, which takes a minute; a build from sources does without.
WHOLE := CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

# Whatever is chosen of it, a dependency is compiled once, since all packages want the same features of it
# (`workers/workspace-hack`).
EVERYTHING := --locked --workspace --all-targets
# What is tested is compiled by Clippy, which lints our own packages on the way. Dependencies are those of any build.
LINTED := RUSTC_WORKSPACE_WRAPPER="$$(rustup which clippy-driver 2>/dev/null || command -v clippy-driver)"

# need TOOL, HOW: ends with how to get a tool that is missing.
define need
command -v $(1) >/dev/null 2>&1 || { echo "error: $(1) is missing; $(2)" >&2; exit 1; }
endef
NEED_RUST = $(call need,$(CARGO),install Rust 1.95 or newer: https://rustup.rs); \
	$(call need,cc,install a C compiler (Debian: apt-get install gcc libc6-dev))

##@ Try it

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "%s%s\n", (seen++ ? "\n" : ""), substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "STACK=name chooses the stack for synth, deploy and destroy; it is \`$(STACK)\`."

.PHONY: demo
demo: program venv ## Deploy to the local cloud, upload the sample file, show the rows in the table
	$(DEPLOYER) local up
	$(DEPLOYER) deploy local -y
	$(DEPLOYER) upload data-to-upload/test_data.csv local --wait
	@echo
	@echo "The pipeline goes on running. What next:"
	@echo "  $(DEPLOYER) upload FILE.csv local --wait   your own rows (columns: settings.fields in stack.yaml)"
	@echo "  $(DEPLOYER) console local                  the pipeline at work, in the browser"
	@echo "  $(DEPLOYER) verify local                   a marked file through every hop, of which nothing is left"
	@echo "  $(DEPLOYER) logs transform local           what a function has logged"
	@echo "  $(DEPLOYER) outputs local                  names of the bucket and the table"
	@echo "  $(DEPLOYER) deploy dev                     the same on AWS, with your credentials"
	@echo "  make demo-stop                                stop the local cloud"

.PHONY: demo-stop
demo-stop: program ## Stop the local cloud
	$(DEPLOYER) local down

##@ Use it

.PHONY: ls
ls: program ## List the stacks of stack.yaml
	@$(DEPLOYER) ls

.PHONY: synth
synth: program ## Write the template of STACK to stdout
	@$(DEPLOYER) synth $(STACK)

.PHONY: deploy
deploy: program venv ## Deploy STACK
	$(DEPLOYER) deploy $(STACK)

.PHONY: destroy
destroy: program venv ## Delete STACK
	$(DEPLOYER) destroy $(STACK)

##@ Build it

.PHONY: program
program:
	@$(NEED_RUST)
	$(CARGO) build --locked -p deployer --bin deployer

.PHONY: build
build: ## Build everything that is tested, and lint it
	@$(NEED_RUST)
	@$(call need,clippy-driver,install Clippy: rustup component add clippy)
	$(LINTED) tools/lint.sh $(CARGO) build $(EVERYTHING)

.PHONY: workers
workers: venv ## Build the workers as the released deployer carries them: one program, release, static
	@$(NEED_RUST)
	$(WHOLE) RUSTFLAGS="$(STATIC)" .venv/bin/cargo-lambda lambda build --release --x86-64 --skip-target-check \
		--compiler cargo --disable-optimizations --locked -p etl-functions

.PHONY: release
release: workers ## Build the deployer to install: static, with the workers inside
	$(CARGO) run --locked -p deployer-packing --bin pack -- workers target/lambda target/packed
	@# At a fixed address, 70,000 relocations less at each start: two of four milliseconds.
	@# The profile ends a panic at once: nothing is unwound, and the tables for it would be two megabytes.
	@# Without the wrapper, the profile decides how the AWS SDK is optimised, not the packages that call it.
	RUSTC_WRAPPER= DEPLOYER_EMBED_WORKERS=target/packed DEPLOYER_COMMIT="$$(git rev-parse --short=12 HEAD 2>/dev/null || true)" RUSTFLAGS="$(STATIC) -C force-unwind-tables=no" \
		$(CARGO) rustc --locked --profile dist --target $(LINUX) -p deployer --bin deployer -- -C relocation-model=static -C link-arg=-Wl,--icf=all
	@# cargo-lambda moves every program that it finds beside the workers, so it can't stay there.
	install -D target/$(LINUX)/dist/deployer $(RELEASE)
	@size=$$(wc -c < $(RELEASE)); echo "$(RELEASE) has $$size bytes, of at most $(MOST_BYTES)"; \
		test "$$size" -le $(MOST_BYTES) || { echo "error: that is too large; docs/design/002-packed-once.md says what it consists of" >&2; exit 1; }

.PHONY: dist
dist: release ## Write the packages of a release into target/packages; URL=… names the place of the archive on the web
	$(PYTHON) tools/dist.py --binary $(RELEASE) --pack target/debug/pack $(if $(URL),--url $(URL))

.PHONY: dist-test
dist-test: program check-venv ## Install and run each package in a clean folder, made of the debug program
	$(CARGO) build --locked -p deployer-packing --bin pack
	.venv-check/bin/python tools/dist_test.py $(DEPLOYER) target/debug/pack

.PHONY: venv
venv: .venv/.stamp ## Make .venv with the local cloud and cargo-lambda

.PHONY: check-venv
check-venv: .venv-check/.stamp ## Make .venv-check with the judges of templates and spelling

.PHONY: writers-venv
writers-venv: .venv-writers/.stamp ## Make .venv-writers with the libraries whose files are read

.venv/.stamp: tools/requirements.txt
.venv-check/.stamp: tools/requirements-check.txt
.venv-writers/.stamp: tools/requirements-writers.txt
.venv/.stamp .venv-check/.stamp .venv-writers/.stamp:
	@$(call need,$(PYTHON),install Python 3.11 or newer (Debian: apt-get install python3 python3-venv))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is $$($(PYTHON) --version), and 3.11 or newer is needed; name another with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) has no venv; Debian: apt-get install python3-venv" >&2; exit 1; }
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

##@ Check it

.PHONY: test
test: check judge writers editor nextest ## Everything that must hold: format, lints, judges, tests

.PHONY: check
check: fmt words build ## Format, features of dependencies, imports, words, lints

.PHONY: fmt
fmt:
	@$(NEED_RUST)
	$(CARGO) fmt --all --check
	$(PYTHON) tools/features.py
	$(PYTHON) tools/modules.py deployer/* workers/*

.PHONY: words
words: check-venv ## Spelling, and phrases that are no longer written
	.venv-check/bin/typos
	.venv-check/bin/python tools/words.py --sources

.PHONY: doc
doc: ## Documentation of the packages, private items too, in target/doc; a broken link fails
	@$(NEED_RUST)
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --no-deps --workspace --document-private-items

.PHONY: audit
audit: ## Advisories, licenses and sources of the dependencies
	@$(NEED_RUST)
	@$(call need,cargo-deny,install it: cargo install cargo-deny --locked)
	$(CARGO) deny --locked check --hide-inclusion-graph

.PHONY: judge
judge: build check-venv venv ## Let cfn-lint, checkov and parliament judge all templates, AWS's models the conversations, shellcheck the action
	tools/judge.sh $(DEPLOYER) .venv-check/bin
	.venv/bin/python tools/conversations.py
	cd tools && ../.venv-check/bin/python -m unittest -q same_template_test action_test

.PHONY: writers
writers: build writers-venv ## Read files of pandas, polars, DuckDB, openpyxl, XlsxWriter, PostgreSQL and SQLite
	.venv-writers/bin/python -B tools/writers $(DEPLOYER)

.PHONY: editor
editor: program ## Run a session of the language server in Neovim, where it is installed
	@if command -v nvim >/dev/null; then \
		DEPLOYER=$(DEPLOYER) nvim --headless --clean -c 'luafile tools/editor.lua'; \
	else echo "neovim is not installed: no session in an editor (Debian: apt-get install neovim)"; fi

.PHONY: extension
extension: program ## Test the extension for VS Code
	@$(call need,npm,install Node.js 20 or newer (Debian: apt-get install npm))
	cd editors/vscode && npm ci --omit=dev --no-audit --no-fund && DEPLOYER=$(CURDIR)/$(DEPLOYER) npm test

# Where Chromium, its driver or npm is missing, the tests that need it are left out, which is said.
BROWSER = if ! command -v chromedriver >/dev/null; then \
		echo "note: chromium and chromedriver are not installed: no tests in a browser (Debian: apt-get install chromium chromium-driver)"; \
		export BROWSER_TESTS=none; \
	elif ! test -f target/browser-tools/.stamp; then \
		echo "note: npm is not installed: no test of the console by axe-core (Debian: apt-get install npm)"; \
		export BROWSER_TESTS=without-axe; \
	fi

.PHONY: browser-tools
browser-tools: ## Install what the tests in a browser need beside it: axe-core, by npm
	@if command -v npm >/dev/null; then $(MAKE) target/browser-tools/.stamp; \
	else echo "npm is not installed: no axe-core for the tests in a browser (Debian: apt-get install npm)"; fi

target/browser-tools/.stamp: deployer/cli/tests/browser/package.json deployer/cli/tests/browser/package-lock.json
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --include=dev --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: browser
browser: build venv browser-tools ## The tests of the console in a browser; screenshots are in target/screenshots
	@$(BROWSER); if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(LINTED) $(CARGO) nextest run $(EVERYTHING) -E 'binary(browser)'; \
	else \
		set -x; $(LINTED) $(CARGO) test --locked --workspace --test browser -- --test-threads=1; \
	fi

.PHONY: registry
registry: check-venv ## Write the resource schemas anew from the pinned cfn-lint
	.venv-check/bin/python tools/registry.py

.PHONY: conversations
conversations: venv ## Write what the tests' servers know of AWS anew from botocore's models
	.venv/bin/python tools/conversations.py --write

.PHONY: nextest
nextest: build venv browser-tools ## Unit, golden, property and end-to-end tests
	@$(BROWSER); if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(LINTED) $(CARGO) nextest run $(EVERYTHING); \
	else \
		echo "note: cargo-nextest is not installed (cargo install cargo-nextest --locked), so cargo test runs the tests"; \
		set -x; $(LINTED) $(CARGO) test $(EVERYTHING) -- --test-threads=1; \
	fi

.PHONY: bench
bench: release venv ## Measure the deployer, the workers and the pipeline beside what one would take instead
	$(PYTHON) bench/bench.py $(RELEASE)

.PHONY: bench-beside
bench-beside: release venv ## Measure the commands beside the deployer of an earlier revision, REV, which is built first
	@test -n "$(REV)" || { echo "error: name a revision: make bench-beside REV=v0.1.0" >&2; exit 2; }
	rm -rf target/beside && git worktree prune && git worktree add --detach target/beside $(REV)
	RUSTC_WRAPPER= $(MAKE) -C target/beside release
	for only in commands idle; do BESIDE="$(CURDIR)/target/beside/$(RELEASE)" $(PYTHON) bench/bench.py $(RELEASE) --only $$only; done

.PHONY: golden
golden: build ## Write the golden files and the generated pages anew
	UPDATE_GOLDEN=1 $(LINTED) $(CARGO) test $(EVERYTHING) -- every_case the_published

.PHONY: golden-cli
golden-cli: build venv ## Write anew what people see of replayed conversations, and the calls that each command makes
	UPDATE_GOLDEN=1 $(LINTED) $(CARGO) test $(EVERYTHING) -- every_case_is_as_it_was_seen no_command_calls_more

.PHONY: clean
clean: ## Remove what was built and installed here; stop the local cloud first
	rm -rf target .venv .venv-check .venv-writers .test-cache
