# `make demo`: a trained network's answer on pictures. `make test`: the tests. `make help`: the rest.
PYTHON ?= python3.11
PICTURES ?= examples/pictures
DATA ?= ../shared/data
BUNDLE := src/macule/bundles/lite
# One lesion under two ids, found by `make audit`.
LINKS := docs/results/pairs.csv
BASE := .venv
DEV := .venv-dev
# Idle worker threads that spin would starve their neighbours on a small machine.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo demo-clinic serve test test-all lint model card reports ablation matrix audit benchmark source-systems clean

help:
	@echo "make demo [PICTURES=path]  analyse pictures and write demo-report/index.html"
	@echo "make demo-clinic           a clinic of invented patients on http://127.0.0.1:8000; prints two logins"
	@echo "make serve                 start the web page on http://127.0.0.1:8000"
	@echo "make test                  lint, types and tests (make test-all: the long ones too)"
	@echo "make model [DATA=path]     train, calibrate and score the bundle anew, beside the embedded one"
	@echo "make card  [DATA=path]     score the embedded bundle again and rewrite its card"
	@echo "make reports [DATA=path]   the same, and a whole report of each exam -> work/reports"
	@echo "make ablation [DATA=path]  does preparing the picture help? -> docs/results/preparation.md, an hour on 2 cores"
	@echo "make matrix [DATA=path]    train on one set, test on another -> work/matrix, half an hour on 2 cores"
	@echo "make audit [DATA=path]     search the data sets for one lesion under two ids -> work/audit/index.html"
	@echo "make benchmark             time everything side by side"
	@echo "make source-systems        train the source systems' recipes with and without the leak: 1 to 2 hours on 2 cores"

$(BASE)/.made: pyproject.toml
	$(PYTHON) -m venv $(BASE)
	$(BASE)/bin/pip install --quiet --editable .
	@touch $@

$(DEV)/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install --quiet --constraint constraints.txt --editable '.[training,explain,dev]'
	@touch $@

demo: $(BASE)/.made
	$(BASE)/bin/macule predict $(PICTURES) --report demo-report || [ $$? -eq 1 ]
	@echo "The report: demo-report/index.html"

serve: $(BASE)/.made
	$(BASE)/bin/macule serve

demo-clinic: $(BASE)/.made
	$(BASE)/bin/macule demo-clinic --home demo-clinic

lint: $(DEV)/.made
	$(DEV)/bin/ruff check src tests benchmarks
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports
	$(DEV)/bin/bandit --quiet --recursive src 2>/dev/null

test: lint
	$(DEV)/bin/pytest -n 2 --dist loadfile -m "not slow"

test-all: lint
	$(DEV)/bin/pytest

model: $(DEV)/.made
	$(DEV)/bin/macule train lite --data $(DATA) --out work/bundle --work work
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle work/bundle --against $(BUNDLE)
	@echo "The new bundle: work/bundle. Copy it over $(BUNDLE) only if it is better."

card: $(DEV)/.made
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle $(BUNDLE)

# OPTIONS="--also robustness --also explanations" measures those too, minutes an exam.
reports: $(DEV)/.made
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle $(BUNDLE) --reports work/reports $(OPTIONS)

ablation matrix: export OPENBLAS_NUM_THREADS := 1
ablation: $(DEV)/.made
	$(DEV)/bin/python benchmarks/ablation.py --data $(DATA) --links $(LINKS) $(OPTIONS)

MATRIX := split.keep=0.4 split.train=0.5 split.calibration=0.2 split.test=0.3
matrix: $(DEV)/.made
	$(DEV)/bin/macule matrix lite --quick --data $(DATA) --links $(LINKS) --out work/matrix \
		--train-on ham10000 --train-on milk10k --train-on isic2017 --train-on ham10000+milk10k \
		--test-on ham10000 --test-on milk10k --test-on isic2017 $(MATRIX:%=--set %)

audit: $(DEV)/.made
	$(DEV)/bin/macule data audit --root $(DATA) --out work/audit

benchmark: $(DEV)/.made
	$(DEV)/bin/python benchmarks/run.py

# The allocator keeps its memory between steps and one thread of OpenBLAS is enough: half as fast again on two cores.
source-systems: export MALLOC_MMAP_MAX_ := 0
source-systems: export MALLOC_TRIM_THRESHOLD_ := 100000000000
source-systems: export MALLOC_TOP_PAD_ := 500000000
source-systems: export OPENBLAS_NUM_THREADS := 1
source-systems: $(DEV)/.made
	$(DEV)/bin/python benchmarks/source_systems.py --data $(DATA) --links $(LINKS) $(OPTIONS)

clean:
	rm -rf $(BASE) $(DEV) demo-report demo-clinic
