#!/usr/bin/env python3
"""Behaves as 1X's `genie/evaluate.py` does: the same options, windows, printed dictionary and saved files.

Its model repeats the last frame with some doubt. Axes: B windows, T frames, H = W = 16, F = 2 factors, V = 512 values.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

WINDOW, STRIDE = 16, 15
SURE = 6.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--val_data_dir", type=Path, default=Path("data/val_v1.1"))
    parser.add_argument("--checkpoint_dir")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--save_outputs_dir", type=Path)
    args = parser.parse_args()
    tokens_BTHW = windows(args.val_data_dir)
    sums, counts, saved = defaultdict(float), defaultdict(int), defaultdict(list)
    for begin in range(0, len(tokens_BTHW), args.batch_size):
        print(f"\r{begin}/{len(tokens_BTHW)} |###   |", end="", file=sys.stderr, flush=True)
        batch = tokens_BTHW[begin : begin + args.batch_size]
        started = time.time()
        logits = predict(batch[:, :-1])
        seen = {
            "gen_time": (time.time() - started) / (15 * len(batch)),
            "loss": cross_entropy(logits, batch[:, 1:]),
            "acc": (batch[:, 1:] == batch[:, :-1]).float().mean().item(),
            "dec_time": 0.0,
            "pred_lpips": 0.25,
        }
        for name, value in seen.items():
            sums[name] += value * len(batch)
            counts[name] += len(batch)
        print({name: f"{total / counts[name]:.4f}" for name, total in sums.items()})
        saved["pred_frames"].append(pictures(batch[:, :-1]))
        saved["pred_logits"].append(logits)
        saved["gtruth_frames"].append(pictures(batch))
        saved["gtruth_tokens"].append(batch)
    if args.save_outputs_dir:
        args.save_outputs_dir.mkdir(parents=True, exist_ok=True)
        for name, parts in saved.items():
            torch.save(torch.cat(parts), args.save_outputs_dir / f"{name}.pt")


def windows(folder):
    """Every window of 1X's own list, in its order: int64 [B, T, H, W]."""
    frames = json.loads((folder / "metadata.json").read_text())["num_images"]
    tokens_NHW = np.memmap(folder / "video.bin", np.uint32, "r", shape=(frames, 16, 16))
    segments_N = np.memmap(folder / "segment_ids.bin", np.int32, "r", shape=(frames,))
    length, kept = STRIDE * (WINDOW - 1), []
    for start in range(frames - length):
        whole = segments_N[start] == segments_N[start + length]
        if whole and not {start - STRIDE * back for back in range(1, WINDOW)} & set(kept):
            kept.append(start)
    cut = [tokens_NHW[start : start + length + 1 : STRIDE] for start in kept]
    return torch.from_numpy(np.stack(cut).astype(np.int64))


def predict(last_BTHW):
    """Logits that favour each frame's own tokens for the next one: float32 [B, V, F, T, H, W]."""
    factors = torch.stack([last_BTHW % 512, last_BTHW // 512], dim=1)
    return SURE * torch.nn.functional.one_hot(factors, 512).permute(0, 5, 1, 2, 3, 4).float()


def cross_entropy(logits, target_BTHW):
    factors = torch.stack([target_BTHW % 512, target_BTHW // 512], dim=1)
    return torch.nn.functional.cross_entropy(logits, factors, reduction="none").sum(1).mean().item()


def pictures(tokens_BTHW):
    """Something of the shape of decoded frames: uint8 [B, T, 3, 256, 256]."""
    grey = (tokens_BTHW % 256).to(torch.uint8).repeat_interleave(16, 2).repeat_interleave(16, 3)
    return grey[:, :, None].expand(-1, -1, 3, -1, -1).clone()


if __name__ == "__main__":
    main()
