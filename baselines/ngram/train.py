#!/usr/bin/env python3
"""Count the training clip and fit the mixture: `python train.py --train DIR` writes counts.npz.

Axes: N frames, C frames of a chunk, H rows, W columns, F the two factors of a token, U the known value, V the
predicted one, K components of the mixture, M samples.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from tables import Counts, Tables, tables

STRIDE = 15  # raw frames between two frames of a window
CHUNK = 4096  # frames held in memory at once
HELD_BACK = 0.1  # of the clip, at its end, to fit what counts cannot say
SAMPLES = 400  # frames of it
SMOOTHINGS = (0.25, 1.0, 4.0, 16.0, 64.0)
EM_STEPS = 50


def open_clip(clip: Path) -> tuple[np.ndarray, np.ndarray]:
    """The clip's tokens [N,16,16] and segment ids [N], mapped and not read."""
    if os.path.getsize(clip / "video.bin") % (16 * 16 * 4):
        raise SystemExit(f"{clip / 'video.bin'} is not a whole number of 16x16 frames of uint32")
    tokens_NHW = np.memmap(clip / "video.bin", "<u4", mode="r").reshape(-1, 16, 16)
    segments_N = np.memmap(clip / "segment_ids.bin", "<i4", mode="r")
    if len(tokens_NHW) != len(segments_N):
        raise SystemExit(f"{clip}: {len(tokens_NHW)} frames, but {len(segments_N)} segment ids")
    return tokens_NHW, segments_N


def count(tokens_NHW: np.ndarray, segments_N: np.ndarray) -> Counts:
    """Counts over all frames, and over all pairs of frames one stride apart in one segment."""
    position_FNV = np.zeros((2, 256, 512), np.int64)
    before_FUV = np.zeros((2, 512, 512), np.int64)
    left_FUV = np.zeros((2, 512, 512), np.int64)
    cell_HW = np.arange(256).reshape(16, 16)
    for start in range(0, len(tokens_NHW), CHUNK):
        both_CHW = np.asarray(tokens_NHW[start : start + CHUNK + STRIDE])
        ids_C = np.asarray(segments_N[start : start + CHUNK + STRIDE])
        paired_C = ids_C[:-STRIDE] == ids_C[STRIDE:]
        for factor in range(2):
            value_CHW = (both_CHW // 512**factor % 512).astype(np.int64)
            here_CHW = value_CHW[:CHUNK]
            position_FNV[factor] += _pairs(np.broadcast_to(cell_HW, here_CHW.shape), here_CHW, 256)
            left_FUV[factor] += _pairs(here_CHW[..., :-1], here_CHW[..., 1:], 512)
            before_FUV[factor] += _pairs(value_CHW[:-STRIDE][paired_C], value_CHW[STRIDE:][paired_C], 512)
    return Counts(position_FNV.reshape(2, 16, 16, 512).transpose(1, 2, 0, 3), before_FUV, left_FUV)


def _pairs(known: np.ndarray, value: np.ndarray, kinds: int) -> np.ndarray:
    """How often each (known, value) occurs: [kinds, 512]."""
    return np.bincount((known * 512 + value).ravel(), minlength=kinds * 512).reshape(kinds, 512)


def components(model: Tables, tokens_NHW: np.ndarray, segments_N: np.ndarray) -> np.ndarray:
    """What each component says of samples that have all contexts: probabilities [F,M,K]."""
    start_N = np.flatnonzero(segments_N[:-STRIDE] == segments_N[STRIDE:])
    start_N = start_N[:: max(1, len(start_N) // SAMPLES)]
    row_HW, column_HW = np.indices((16, 15))
    found_FMK = []
    for factor in range(2):
        before_MHW = tokens_NHW[start_N] // 512**factor % 512
        here_MHW = tokens_NHW[start_N + STRIDE] // 512**factor % 512
        value_MHW, left_MHW = here_MHW[..., 1:], here_MHW[..., :-1]
        p_KMHW = [
            model.position_HWFV[row_HW, column_HW + 1, factor, value_MHW],
            model.before_FUV[factor, before_MHW[..., 1:], value_MHW],
            model.left_FUV[factor, left_MHW, value_MHW],
        ]
        found_FMK.append(np.stack(p_KMHW, -1).reshape(-1, 3))
    return np.stack(found_FMK)


def mixture(p_FMK: np.ndarray) -> tuple[np.ndarray, float]:
    """The weights [F,K] under which the samples are most likely (EM), and their loss in nats per token."""
    weight_FK = np.full((len(p_FMK), p_FMK.shape[-1]), 1 / p_FMK.shape[-1])
    for _ in range(EM_STEPS):
        share_FMK = p_FMK * weight_FK[:, None]
        share_FMK /= share_FMK.sum(-1, keepdims=True)
        weight_FK = share_FMK.mean(1)
    loss = -np.log((p_FMK * weight_FK[:, None]).sum(-1)).mean(1).sum()
    return weight_FK, float(loss)


def main() -> None:
    """Read the clip, fit, write the counts and the weights."""
    parser = argparse.ArgumentParser(description="Count the training clip for the n-gram baseline.")
    parser.add_argument(
        "--train", type=Path, required=True, metavar="DIR", help="a clip: the folder of video.bin"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("counts.npz"), metavar="FILE")
    args = parser.parse_args()
    tokens_NHW, segments_N = open_clip(args.train)
    cut = int(len(tokens_NHW) * (1 - HELD_BACK))
    if not np.any(segments_N[cut:-STRIDE] == segments_N[cut + STRIDE :]):
        raise SystemExit(f"{args.train}: too short, no two frames {STRIDE} apart in the last tenth")
    first = count(tokens_NHW[:cut], segments_N[:cut])
    fits = []
    for smoothing in SMOOTHINGS:
        p_FMK = components(tables(first, smoothing), tokens_NHW[cut:], segments_N[cut:])
        frame_FK, frame_loss = mixture(p_FMK[..., :2])
        token_FK, token_loss = mixture(p_FMK)
        fits.append((frame_loss + token_loss, smoothing, frame_FK, token_FK, frame_loss, token_loss))
    _, smoothing, frame_FK, token_FK, frame_loss, token_loss = min(fits, key=lambda fit: fit[:2])
    whole = first + count(tokens_NHW[cut:], segments_N[cut:])
    np.savez_compressed(
        args.out,
        position_HWFV=whole.position_HWFV,
        before_FUV=whole.before_FUV,
        left_FUV=whole.left_FUV,
        smoothing=smoothing,
        frame_weights_FK=frame_FK,
        token_weights_FK=token_FK,
    )
    print(f"{len(tokens_NHW):,} frames counted into {args.out}")
    print(f"held back: {frame_loss:.3f} nats per token frame by frame, {token_loss:.3f} token by token")


if __name__ == "__main__":
    main()
