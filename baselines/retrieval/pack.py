#!/usr/bin/env python3
"""Pack the training clip and fit the mixture: `python pack.py --train DIR` writes shard.npz.

Axes: N raw frames, H rows, W columns, X words of a packed frame.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from bits import pack
from counting import count, kept
from fitting import fit_shares
from knobs import FILE_NAME as KNOBS
from knobs import Knobs, KnobsError, read_knobs
from mixture import honest_tables
from search import Search
from shard import FILE_NAME as SHARD
from shard import Shard


def open_clip(clip: Path) -> tuple[np.ndarray, np.ndarray]:
    """The clip's tokens [N,16,16] and segment ids [N], mapped and not read."""
    for name in ("video.bin", "segment_ids.bin"):
        if not (clip / name).is_file():
            raise SystemExit(
                f"{clip} is no clip: it has no {name}; name a folder such as data/train_v1.1 in --train"
            )
    if os.path.getsize(clip / "video.bin") % (16 * 16 * 4):
        raise SystemExit(f"{clip / 'video.bin'} is not a whole number of 16x16 frames of uint32")
    tokens_NHW = np.memmap(clip / "video.bin", "<u4", mode="r").reshape(-1, 16, 16)
    segments_N = np.memmap(clip / "segment_ids.bin", "<i4", mode="r")
    if len(tokens_NHW) != len(segments_N):
        raise SystemExit(f"{clip}: {len(tokens_NHW)} frames, but {len(segments_N)} segment ids")
    return tokens_NHW, segments_N


def make(tokens_NHW: np.ndarray, segments_N: np.ndarray, knobs: Knobs) -> tuple[Shard, float]:
    """The shard, and its loss on the training set in nats per token."""
    counts = count(tokens_NHW, segments_N)
    kept_N = kept(segments_N, knobs.step)
    frames_NX, kept_segments_N = pack(tokens_NHW[kept_N]), np.array(segments_N[kept_N])
    search = Search(frames_NX, kept_segments_N, knobs)
    best = fit_shares(tokens_NHW, segments_N, frames_NX, search, knobs, honest_tables(*counts))
    shard = Shard(
        frames_NX=frames_NX,
        segments_N=kept_segments_N,
        step=knobs.step,
        position_HWFV=counts[0].astype(np.uint32),
        before_FUV=counts[1].astype(np.uint32),
        shares_FL=best.shares_FL,
        honest_FL=best.honest_FL,
        flip=best.flip,
    )
    return shard, best.loss


def main() -> None:
    """Read the clip, pack it, fit, write the shard."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Pack the training clip for the entry that breaks rule 5.")
    parser.add_argument(
        "--train", type=Path, required=True, metavar="DIR", help="a clip: the folder of video.bin"
    )
    parser.add_argument(
        "--out", type=Path, default=here, metavar="FOLDER", help=f"has {KNOBS}; {SHARD} is written there"
    )
    args = parser.parse_args()
    try:
        knobs = read_knobs(args.out / KNOBS)
    except KnobsError as error:
        raise SystemExit(str(error)) from error
    shard, loss = make(*open_clip(args.train), knobs)
    shard.save(args.out / SHARD)
    print(f"{len(shard.frames_NX):,} frames packed into {args.out / SHARD}: {shard.frames_NX.nbytes:,} bytes")
    share = shard.shares_FL[:, -1].mean()
    print(f"copies of other drives: {loss:.3f} nats per token, their share of the mixture {share:.2f}")


if __name__ == "__main__":
    main()
