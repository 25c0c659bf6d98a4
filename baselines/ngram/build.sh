#!/bin/sh
set -eu
python3 -c 'import numpy'
if [ ! -f counts.npz ]; then
    echo "counts.npz is missing: make it with 'python baselines/ngram/train.py --train DIR', then pack again" >&2
    exit 1
fi
