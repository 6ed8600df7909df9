# Everything a person or CI runs. Each target does its own set-up: nothing but Python (3.11 or newer) and make is needed.
PYTHON  ?= python3
VENV    ?= .venv
EXTRAS  ?= cpu,demo,web,dev
WORKERS ?= 3
comma   := ,
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.ready-$(subst $(comma),-,$(EXTRAS))


.DEFAULT_GOAL := help
.PHONY: help setup demo test chaos audit check bench

help:  ## show these targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PYTHON=$(PYTHON)  VENV=$(VENV)  EXTRAS=$(EXTRAS)  FOR=45s (demo)  NAME=vtest (bench)  WORKERS=$(WORKERS) (test)"

setup: $(STAMP)  ## make the virtual environment and install the project into it

$(STAMP): pyproject.toml deploy/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamer needs Python 3.11 or newer; set PYTHON=python3.x")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c deploy/constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP)  ## a drawn street, three RTSP cameras, a private Redis, real alerts; Ctrl-C ends it
	$(BIN)/streamer demo $(if $(FOR),--for $(FOR))

# Many tests wait for cameras in real time: files run side by side, each from its first test to its last in one process,
# in the order of their names (what is long comes early), as many as there are cores. What says how fast something is, or
# must keep up, comes afterwards. 5 is how pytest says that none of TESTS is one of these.
# Tests wait more than they compute: three files beside each other keep two cores busy.
test: $(STAMP)  ## run all tests; TESTS=path runs some of them
	$(BIN)/python -m pytest -m 'not chaos and not alone' -n $(WORKERS) --dist loadfile \
		--no-loadscope-reorder $(TESTS) || [ $$? = 5 ]
	$(BIN)/python -m pytest -m 'not chaos and alone' $(TESTS) || [ $$? = 5 ]

chaos: $(STAMP)  ## every fault of docs/reliability.md, several times over; the figures there come from it
	$(BIN)/python -m tests.benchmarks.reliability

# A database that does not know an old weakness cannot be asked about new ones.
KNOWN_WEAK := requests==2.19.0

audit:  ## known weaknesses of the packages that are pinned; needs the network, and says so where it is not there
	@$(PYTHON) -m venv .audit
	@.audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit || true
	@echo '$(KNOWN_WEAK)' >.audit/known-weak.txt
	@if .audit/bin/pip-audit --requirement .audit/known-weak.txt --no-deps --disable-pip 2>/dev/null | grep -qE 'GHSA|PYSEC|CVE'; then \
		.audit/bin/pip-audit --requirement deploy/constraints.txt --no-deps --disable-pip; \
	else echo "make audit: NOTHING was audited: the database of weaknesses cannot be reached from here"; fi

check: $(STAMP)  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## run one benchmark, or all: make bench NAME=vtest
	@for name in $(or $(NAME),$(notdir $(basename $(filter-out %/tracking_oracle.py,$(shell grep -l __main__ tests/benchmarks/*.py))))); do \
		echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name || exit 1; done
