#!/bin/sh
set -eu
for file in config.json model.safetensors; do
    if [ ! -f "$file" ]; then
        echo "$file is missing: make it with 'wmc train-baseline causal-lm --train DIR --val DIR --out RUN" \
            "--export FOLDER', then pack FOLDER" >&2
        exit 1
    fi
done
# Where the image brings torch, that one is used.
have='import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))'
if ! python3 -c "$have" numpy safetensors torch; then
    python3 -m pip install --quiet --no-cache-dir --target vendor --requirement requirements.txt
fi
# A bad checkpoint is found here, not when graded.
PYTHONPATH=vendor python3 -c 'from pathlib import Path; from checkpoint import load; load(Path("."))'
