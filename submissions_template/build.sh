#!/bin/sh
# Runs once, in this folder, with network and without data; afterwards the folder is frozen.
# Whatever evaluate.py needs must lie here when this ends: packages, weights, compiled code.
set -eu

# The base image has Python 3.10 with numpy, pip and venv, CUDA 12.3, compilers, git, curl and ffmpeg.
# You are not root: install into this folder. Uncomment what you need, and pin versions, so that what you tested is
# what is graded.
#
#   python3 -m pip install --target vendor --requirement requirements.txt
#       then let evaluate.py find it, above its other imports:
#       import sys; sys.path.insert(0, "vendor")
#
#   curl --fail --location --output weights.safetensors https://example.org/weights.safetensors
#   echo "<sha256>  weights.safetensors" | sha256sum --check

python3 -c 'import numpy'  # all that this entry needs
