#!/usr/bin/env python3
"""Count how often each factor value occurs at each position: `python train.py --train DIR` writes counts.npz.

Axes: C frames of a chunk, H rows, W columns, N = H*W positions, F the two factors of a token, V their values.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

CHUNK = 4096  # frames held in memory at once


def open_tokens(clip: Path) -> np.ndarray:
    """The clip's tokens [N,16,16], mapped and not read."""
    if os.path.getsize(clip / "video.bin") % (16 * 16 * 4):
        raise SystemExit(f"{clip / 'video.bin'} is not a whole number of 16x16 frames of uint32")
    return np.memmap(clip / "video.bin", "<u4", mode="r").reshape(-1, 16, 16)


def count(tokens_NHW: np.ndarray) -> np.ndarray:
    """Counts [H,W,F,V] over all frames."""
    counts_FNV = np.zeros((2, 256, 512), np.int64)
    cell_N = np.arange(256) * 512
    for start in range(0, len(tokens_NHW), CHUNK):
        tokens_CN = np.asarray(tokens_NHW[start : start + CHUNK]).reshape(-1, 256)
        for factor in range(2):
            place_CN = cell_N + tokens_CN // 512**factor % 512
            counts_FNV[factor] += np.bincount(place_CN.ravel(), minlength=256 * 512).reshape(256, 512)
    return counts_FNV.reshape(2, 16, 16, 512).transpose(1, 2, 0, 3)


def main() -> None:
    """Read the clip, write the counts."""
    parser = argparse.ArgumentParser(description="Count the training clip for the unigram baseline.")
    parser.add_argument(
        "--train", type=Path, required=True, metavar="DIR", help="a clip: the folder of video.bin"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("counts.npz"), metavar="FILE")
    args = parser.parse_args()
    tokens_NHW = open_tokens(args.train)
    np.savez_compressed(args.out, unigram_HWFV=count(tokens_NHW))
    print(f"{len(tokens_NHW):,} frames counted into {args.out}")


if __name__ == "__main__":
    main()
