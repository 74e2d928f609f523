# `make demo`: a trained network's answer on pictures. `make test`: the tests. `make help`: the rest.
PYTHON ?= python3.11
PICTURES ?= examples/pictures
DATA ?= ../shared/data
BUNDLE := src/macule/bundles/default
# One lesion under two ids, found by `make audit`.
LINKS := docs/results/pairs.csv
BASE := .venv
DEV := .venv-dev
# Idle worker threads that spin would starve their neighbours on a small machine.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help queue demo demo-clinic serve test test-all lint model card reports variants ablation matrix folds audit benchmark
.PHONY: source-systems clean
.PHONY: model-lite model-default model-accurate

help:
	@echo "make demo [PICTURES=path]  analyse pictures and write demo-report/index.html"
	@echo "make demo-clinic           a clinic of invented patients on http://127.0.0.1:8000; prints two logins"
	@echo "make serve                 start the web page on http://127.0.0.1:8000"
	@echo "make test                  lint, types and tests (make test-all: the long ones too)"
	@echo "make model [DATA=path]     train, calibrate and score every variant anew -> work; hours on 2 cores, goes on when"
	@echo "                           called again; [VARIANT=lite|default|accurate] is the way to one of them"
	@echo "make queue [DATA=path]     go on with experiments/model.toml (OPTIONS=\"--hours 8\") and write its log"
	@echo "make card  [DATA=path]     score the bundle default again and rewrite its card"
	@echo "make reports [DATA=path]   the same for every bundle here, and a whole report of each exam -> work/reports"
	@echo "make variants              size, speed and scores of every bundle here -> the tables of README and docs"
	@echo "make ablation [DATA=path]  does preparing the picture help? -> docs/results/preparation.md, an hour on 2 cores"
	@echo "make matrix [DATA=path]    train on one set, test on another -> work/matrix, half an hour on 2 cores"
	@echo "make folds [DATA=path]     HAM10000 out of fold -> the card and docs/results/folds.md, two hours on 2 cores"
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
	$(DEV)/bin/python benchmarks/variants.py --check

test: lint
	$(DEV)/bin/pytest -n 2 --dist loadfile -m "not slow"

test-all: lint
	$(DEV)/bin/pytest

# `make model` in steps, a folder each. A step that has ended leaves a stamp in its folder and is skipped from then on, and
# one that was stopped goes on; `rm -r work/phone` makes that step anew. VARIANT=lite (the phone's), default or accurate is
# the way to that one alone.
VARIANT ?= lite default accurate
# The ensemble: the ends of the last two schedules, which cost nothing more, and SEEDS="2 3": `default` from other seeds too.
SEEDS ?=
MEMBERS := work/onward work/default $(SEEDS:%=work/seed-%)
GIVEN := --data $(DATA) --links $(LINKS) --work work
# A recipe that goes on from the bundle in the folder of that name.
onto = --set network.start=work/$(1)
# The folder of the run that made a bundle.
run_of = work/$$($(DEV)/bin/python -c 'import json; print(json.load(open("$(1)/bundle.json"))["provenance"]["run"]["id"])')
# The embedded bundle of that id, if there is one.
against = $(addprefix --against ,$(patsubst %/bundle.json,%,$(wildcard src/macule/bundles/$(1)/bundle.json)))

model: $(VARIANT:%=model-%)
	@echo "Copy a bundle over the embedded one only if it is better: macule bundle list; make variants"
model-lite: work/phone/.scored
model-default: work/default/.scored
model-accurate: work/accurate/.scored

# From ImageNet's weights to 208 px, and on from there to 240 px: the groundwork, which is not shipped.
work/lite/.made: | $(DEV)/.made
	$(DEV)/bin/macule train lite $(GIVEN) --out $(@D)
	@touch $@
work/onward/.made: work/lite/.made
	$(DEV)/bin/macule train onward $(call onto,lite) $(GIVEN) --out $(@D)
	@touch $@
work/default/.made: work/onward/.made
	$(DEV)/bin/macule train default $(call onto,onward) $(GIVEN) --out $(@D)
	@touch $@
work/seed-%/.made: work/onward/.made
	$(DEV)/bin/macule train default $(call onto,onward) --set seed=$* $(GIVEN) --out $(@D)
	@touch $@
work/phone/.made: work/default/.made
	$(DEV)/bin/macule quantise work/default --name lite --data $(DATA) --links $(LINKS) --out $(@D)
	@touch $@
work/accurate/.made: $(MEMBERS:%=%/.made)
	$(DEV)/bin/macule combine $(foreach member,$(MEMBERS),$(call run_of,$(member))) --name accurate $(GIVEN) --out $(@D)
	@touch $@

# Status 1 with a card: a figure lies outside the tolerance of the embedded one, which the table says, and no fault.
work/phone/.scored: AGAINST = $(call against,lite)
work/default/.scored: AGAINST = $(call against,default)
work/accurate/.scored: AGAINST =
work/phone/.scored work/default/.scored work/accurate/.scored: work/%/.scored: work/%/.made
	@rm -f $(@D)/card.md
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle $(@D) $(AGAINST) || { [ $$? -eq 1 ] && [ -f $(@D)/card.md ]; }
	@touch $@

card: $(DEV)/.made
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle $(BUNDLE)

# Every embedded bundle, and `accurate` where it was built or fetched.
# OPTIONS="--also robustness --also explanations" measures those too, minutes an exam.
EMBEDDED := $(patsubst src/macule/bundles/%/bundle.json,%,$(wildcard src/macule/bundles/*/bundle.json))
FETCHED := $(or $(MACULE_BUNDLES_HOME),$(or $(XDG_DATA_HOME),$(HOME)/.local/share)/macule/bundles)
ACCURATE := $(firstword $(wildcard work/accurate/bundle.json $(FETCHED)/accurate/bundle.json))
REPORTS := $(EMBEDDED:%=reports-%) $(if $(ACCURATE),reports-accurate)
.PHONY: $(REPORTS)
reports: $(REPORTS)
$(EMBEDDED:%=reports-%): reports-%: $(DEV)/.made
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle src/macule/bundles/$* --reports work/reports/$* $(OPTIONS)
reports-accurate: $(DEV)/.made
	$(DEV)/bin/macule card --data $(DATA) --links $(LINKS) --bundle $(ACCURATE:%/bundle.json=%) --reports work/reports/accurate $(OPTIONS)

# Size, speed and scores of every bundle that is here -> docs/results/variants.json, and from it the tables of README.md and
# docs/variants.md.
variants: $(DEV)/.made
	$(DEV)/bin/python benchmarks/variants.py $(OPTIONS)

# A queue of one: stopped at any time, the same command goes on. Status 1 says that entries failed: their errors are in
# the log too, which is written before make fails.
queue: $(DEV)/.made
	$(DEV)/bin/macule queue run experiments/model.toml --data $(DATA) --links $(LINKS) $(OPTIONS) || failed=$$?; \
	[ $${failed:-0} -le 1 ] || exit $$failed; \
	$(DEV)/bin/macule queue log experiments/model.toml --out docs/results/experiments.md && exit $${failed:-0}

ablation matrix: export OPENBLAS_NUM_THREADS := 1
ablation: $(DEV)/.made
	$(DEV)/bin/python benchmarks/ablation.py --data $(DATA) --links $(LINKS) $(OPTIONS)

MATRIX := split.keep=0.4 split.train=0.5 split.calibration=0.2 split.test=0.3
matrix: $(DEV)/.made
	$(DEV)/bin/macule matrix lite --quick --data $(DATA) --links $(LINKS) --out work/matrix \
		--train-on ham10000 --train-on milk10k --train-on isic2017 --train-on ham10000+milk10k \
		--test-on ham10000 --test-on milk10k --test-on isic2017 $(MATRIX:%=--set %)

# Every picture of HAM10000 by a network that saw no kin of it; the figures go into the embedded bundle's card.
# The folder of the last cross-validation.
folded = $$(ls -td work/folds-5folds-* | head -n 1)
folds: $(DEV)/.made
	$(DEV)/bin/macule train experiments/recipes/folds.toml --folds 5 $(GIVEN)
	$(DEV)/bin/macule card --bundle $(BUNDLE) --folds $(folded) --another-recipe
	$(DEV)/bin/python benchmarks/folds.py $(folded) $(BUNDLE) --data $(DATA) --links $(LINKS)

audit: $(DEV)/.made
	$(DEV)/bin/macule data audit --root $(DATA) --out work/audit

benchmark: $(DEV)/.made
	$(DEV)/bin/python benchmarks/run.py

# The allocator keeps its memory between steps and one thread of OpenBLAS is enough: half as fast again on two cores.
source-systems folds: export MALLOC_MMAP_MAX_ := 0
source-systems folds: export MALLOC_TRIM_THRESHOLD_ := 100000000000
source-systems folds: export MALLOC_TOP_PAD_ := 500000000
source-systems folds: export OPENBLAS_NUM_THREADS := 1
source-systems: $(DEV)/.made
	$(DEV)/bin/python benchmarks/source_systems.py --data $(DATA) --links $(LINKS) $(OPTIONS)

clean:
	rm -rf $(BASE) $(DEV) demo-report demo-clinic
