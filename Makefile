# Everything here makes what it needs. `make demo` and `make test` are the two to know; `make genie` trains on the demo.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WMC := $(BIN)/wmc
DEMO := demo
EXTRAS ?= dev
ENTRIES := submissions_template baselines/copy_last baselines/unigram baselines/ngram
FORBIDDEN := baselines/retrieval
# On private data an organiser has read what is graded. The demo's entries are the organiser's own: no limit holds for
# them, and each of their grades is announced. A real competition lists no name that entrants could send.
APPROVE = mkdir -p $(DEMO)/store && echo 'organisers = ["baseline", "your-name"]' > $(DEMO)/store/fairness.toml && \
	  $(WMC) review --store $(DEMO)/store --approve --by demo

.PHONY: demo genie test nightly check check-docs bench docs clean
.DELETE_ON_ERROR:

# The honest entries come first: by what they show of the training set the forbidden one is judged.
demo: $(VENV)/ready $(DEMO)/data/train/metadata.json
	$(BIN)/python baselines/unigram/train.py --train $(DEMO)/data/train
	$(BIN)/python baselines/ngram/train.py --train $(DEMO)/data/train
	$(BIN)/python $(FORBIDDEN)/pack.py --train $(DEMO)/data/train
	@set -e; for entry in $(ENTRIES) $(FORBIDDEN); do $(WMC) submit $$entry -o $(DEMO)/$$(basename $$entry).zip; done
	@set -e; for entry in $(notdir $(ENTRIES) $(FORBIDDEN)); do $(APPROVE) $(DEMO)/$$entry.zip >/dev/null; done
	@set -e; sandbox=$$($(WMC) sandbox status); \
	for split in val heldout; do \
	  on="--data $(DEMO)/data/$$split --train $(DEMO)/data/train --store $(DEMO)/store"; \
	  for entry in $(notdir $(ENTRIES)); do \
	    echo; echo "== $$entry on $$split"; \
	    $(WMC) grade $(DEMO)/$$entry.zip $$on --sandbox $$sandbox; \
	  done; \
	  echo; echo "== what honest entries show of the training set on $$split"; \
	  $(WMC) retrieval calibrate --all $$on -o $(DEMO)/panel-$$split.json; \
	  echo; echo "== $(notdir $(FORBIDDEN)) on $$split, which breaks rule 5"; \
	  $(WMC) grade $(DEMO)/$(notdir $(FORBIDDEN)).zip $$on --panel $(DEMO)/panel-$$split.json --sandbox $$sandbox; \
	done
	$(WMC) leaderboard --store $(DEMO)/store -o site
	@echo "Next: make genie (torch, a quarter of an hour) trains the reference entrant on this data and adds it to the page."

genie: $(VENV)/ready $(DEMO)/data/train/metadata.json
	$(BIN)/python -c 'import safetensors, torch' 2>/dev/null || \
	  $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS),genie]'
	rm -rf $(DEMO)/genie
	$(WMC) train-baseline genie --train $(DEMO)/data/train --val $(DEMO)/data/val --out $(DEMO)/genie-run \
	  --eval-every 100 --save-every 100 --export $(DEMO)/genie
	$(WMC) submit $(DEMO)/genie -o $(DEMO)/genie.zip
	@$(APPROVE) $(DEMO)/genie.zip >/dev/null
	@set -e; for split in val heldout; do \
	  panel=$(DEMO)/panel-$$split.json; [ -f $$panel ] && panel="--panel $$panel" || panel=; \
	  $(WMC) grade $(DEMO)/genie.zip --data $(DEMO)/data/$$split --train $(DEMO)/data/train $$panel \
	    --store $(DEMO)/store --sandbox process; \
	done
	$(WMC) leaderboard --store $(DEMO)/store -o site

$(DEMO)/data/train/metadata.json: | $(VENV)/ready
	$(WMC) data demo $(DEMO)/data

test: $(VENV)/ready
	$(BIN)/pytest

nightly: $(VENV)/ready
	$(BIN)/pytest -m nightly

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if $(BIN)/python -c 'import safetensors, torch' 2>/dev/null; then \
	  set -e; for entry in genie causal_lm; do \
	    (cd baselines/$$entry && MYPYPATH=../.. $(abspath $(BIN))/mypy --config-file ../../pyproject.toml \
	      --cache-dir ../../.mypy_cache/$$entry --explicit-package-bases .); \
	  done; \
	else \
	  echo "baselines/genie and causal_lm were not type-checked: that needs pip install -c constraints.txt -e '.[genie]'"; \
	fi

check-docs: $(VENV)/ready
	$(BIN)/pytest -q tests/unit/test_docs.py

bench: $(VENV)/ready
	@set -e; for bench in tests/benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench; done

docs: $(VENV)/ready
	mkdir -p docs
	$(WMC) explain --markdown > docs/outcomes.md

clean:
	rm -rf $(DEMO) site baselines/*/counts.npz baselines/*/shard.npz

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "wmc needs Python 3.10 or later: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@
