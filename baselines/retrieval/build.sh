#!/bin/sh
set -eu
python3 -c 'import numpy'
if [ ! -f shard.npz ]; then
    echo "shard.npz is missing: make it with 'python baselines/retrieval/pack.py --train DIR', then pack again" >&2
    exit 1
fi
