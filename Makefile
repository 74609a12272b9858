# Everything here also works without make: each target is the command or two below it.
.DEFAULT_GOAL := help
.PHONY: help demo serve test check fix docs bench bench-large bench-model bench-sign-ins fuzz crash load lock wheel clean setup-run setup-check setup-test

# The first Python 3.11+ found; `make PYTHON=/path/to/python demo` takes another.
PYTHON ?= $(shell for name in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$name; break; }; done)
BIN := .venv/bin

help: ## List what can be done here
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: setup-run ## Set up, load a company when the database is empty, and serve it on this machine
	@exec $(BIN)/xrm demo --serve

serve: setup-run ## Serve the site in this folder
	@exec $(BIN)/xrm serve

test: setup-test ## Run every test: unit, contract on both databases, API, browser (ARGS="tests/kernel -x" for some)
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: setup-check ## Check style, types, layers, and that the generated references are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.reference --check

fix: setup-check ## Mend what can be mended by a program: style, format, generated references
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tools.reference

docs: setup-check ## Write docs/reference from the code
	$(BIN)/python -m tools.reference

fuzz: setup-test ## Compare random expressions in memory, SQLite and PostgreSQL, for long (N=20000 SEED=1)
	XRM_FUZZ=$(or $(N),20000) XRM_SEED=$(or $(SEED),$(shell date +%s)) $(BIN)/pytest -q tests/kernel/expression/test_fuzz.py

crash: setup-test ## Kill and race writes and changes of the model, undo, and go there and back, many times (N=100)
	XRM_CRASH_ROUNDS=$(or $(N),100) XRM_UNDO_SEEDS=$(or $(N),100) XRM_RACE_ROUNDS=200 XRM_BACK_ROUNDS=$(or $(N),100) $(BIN)/pytest -q \
		tests/stories/test_nothing_is_lost.py tests/kernel/history \
		tests/stories/test_an_apply_is_killed.py tests/kernel/migration/test_apply_races.py tests/kernel/migration/test_there_and_back.py

load: setup-test ## Publish models while two processes serve, on many records; tells how long it took (N=5 ROWS=100000)
	XRM_LOAD_ROUNDS=$(or $(N),5) XRM_LOAD_ROWS=$(or $(ROWS),100000) $(BIN)/pytest -q \
		tests/stories/test_publishing_under_load.py

bench: setup-test ## Measure requests against a hand-written limit on the same database
	$(BIN)/python -m benchmarks $(ARGS)

bench-large: setup-test ## Measure lists over a million records, on both databases
	$(BIN)/python -m benchmarks.large $(ARGS)

bench-sign-ins: setup-test ## Measure 500 sign-ins at once on a real server, and what others wait meanwhile
	$(BIN)/python -m benchmarks.sign_ins $(ARGS)

bench-model: setup-test ## Measure what a model of 500 entities costs to load, put in force and change
	$(BIN)/python -m benchmarks.model $(ARGS)

lock: ## Resolve the dependencies again and write the lock files (ARGS=--upgrade takes newer ones)
	sh tools/lock.sh $(ARGS)

wheel: setup-run ## Build the wheel, front-end files included, into dist/
	$(BIN)/python -m hatchling build --target wheel

clean: ## Remove what set-up and tools made; a site's database stays
	rm -rf .venv .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	rm -rf xrm/web/static/vendor
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-run setup-check setup-test: setup-%:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found." >&2; exit 1; }
	@$(PYTHON) tools/bootstrap.py $*
