"""How fast an entry's files are searched for training frames, with an index as full as that of the whole split.

Run: python tests/benchmarks/bench_scan.py [--frames 10800000] [--mebibytes 64] [--threads 1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip, ClipMetadata
from harness.progress import Silent
from harness.retrieval import frame_index, frame_search
from harness.retrieval.frame_index import FrameIndex, index_frames
from harness.retrieval.frame_layouts import INTEGERS, PACKED
from harness.retrieval.frame_search import find_runs
from harness.retrieval.frame_suspects import MIN_RUN

CHUNK = 1 << 20
SHARD_FRAMES = 20_000
RNG = np.random.default_rng(0)


def split(frames: int) -> Clip:
    """A split of random frames."""
    return Clip(
        folder=Path(),
        metadata=ClipMetadata(num_images=frames),
        tokens_NHW=RNG.integers(1 << 18, size=(frames, 16, 16), dtype=np.uint32),
        segment_ids_N=np.zeros(frames, np.int32),
        actions={},
    )


def filled_up(index: FrameIndex, tokens_NP: NDArray[np.uint32], frames: int) -> FrameIndex:
    """The same as if there were so many: the others are zeros on disk, their digests and keys are drawn at random."""
    here = len(index.places_N)
    with tempfile.TemporaryFile() as file:
        split_NP = np.memmap(file, np.uint32, "w+", shape=(frames, tokens_NP.shape[1]))
    split_NP[:here] = tokens_NP
    mask = np.uint64((1 << frames.bit_length()) - 1)
    places = RNG.integers(1 << 63, size=frames, dtype=np.uint64) << np.uint64(1)
    places[:here] = frame_index._digests(tokens_NP)
    places = np.sort(places & ~mask | np.arange(frames, dtype=np.uint64))
    bits = frame_index._FILTER_BITS_PER_KEY * len(PACKED) * frames
    filter_bits = np.zeros(1 << (bits - 1).bit_length() - 3, np.uint8)
    keys = slice(frame_index.KEY_BEGIN, frame_index.KEY_BEGIN + frame_index.KEY_TOKENS)
    frame_index._mark(filter_bits, tokens_NP[:, keys])
    for _ in range(here, frames, 100_000):
        frame_index._mark(filter_bits, RNG.integers(1 << 18, size=(100_000, 4), dtype=np.uint32))
    return replace(index, tokens_NP=split_NP, filter_bits=filter_bits, places_N=places)


def packed(tokens_NP: NDArray[np.uint32]) -> bytes:
    bits = (tokens_NP[..., None] >> np.arange(18, dtype=np.uint32) & 1).astype(np.uint8)
    return np.packbits(bits, bitorder="little").tobytes()


def chunks(data: bytes) -> Iterator[bytes]:
    return (data[begin : begin + CHUNK] for begin in range(0, len(data), CHUNK))


def timed(work: Callable[[], int]) -> tuple[int, float, float]:
    """What it found, seconds by the clock and of processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - cpu


def look_everywhere(data: bytes, tokens_NP: NDArray[np.uint32]) -> int:
    """How many frames a plain loop finds: at every offset, each layout's bytes looked up in a dictionary."""
    frames = {bytes(row) for row in tokens_NP.astype("<u4")} | {bytes(row) for row in tokens_NP.astype("<u8")}
    shard = packed(tokens_NP)
    frames |= {shard[begin : begin + 576] for begin in range(0, len(shard), 576)}
    sizes = sorted({layout.frame_bytes for layout in (*INTEGERS, *PACKED)})
    return sum(data[begin : begin + size] in frames for begin in range(len(data)) for size in sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_800_000)
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    size = args.mebibytes << 20
    clip = split(SHARD_FRAMES)
    tokens_NP = clip.tokens_NHW.reshape(SHARD_FRAMES, -1)
    built: list[FrameIndex] = []
    _, wall, cpu = timed(lambda: built.append(index_frames(clip, progress=Silent())) or 0)
    print(f"indexing: {SHARD_FRAMES / wall:,.0f} frames/s, {SHARD_FRAMES / cpu:,.0f} of processor time")
    index = filled_up(built[0], tokens_NP, args.frames)
    held = index.filter_bits.nbytes + index.places_N.nbytes
    print(f"index of {args.frames:,} frames: {held / args.frames:.1f} bytes a frame, {held / 1e6:.0f} MB")
    key = tokens_NP[0, frame_index.KEY_BEGIN : frame_index.KEY_BEGIN + frame_index.KEY_TOKENS]
    files = {
        "random bytes": RNG.bytes(size),
        "float32 weights": RNG.normal(0, 0.02, size // 4).astype("<f4").tobytes(),
        "token ids as int32": RNG.integers(0, 50_000, size // 4).astype("<i4").tobytes(),
        "zeros": bytes(size),
        "nearly all zeros": (bytes(4095) + b"x") * (size // 4096),
        "one frame's key again and again, uint64": np.resize(key.astype("<u8"), size // 8).tobytes(),
        "training shard, uint32": RNG.bytes(12_345) + tokens_NP.astype("<u4").tobytes(),
        "training shard, uint64": RNG.bytes(12_345) + tokens_NP.astype("<u8").tobytes(),
        "training shard, packed18": RNG.bytes(12_345) + packed(tokens_NP),
    }
    with mock.patch.object(frame_search, "cores", return_value=args.threads):
        for name, data in files.items():

            def scan(data: bytes = data) -> int:
                return sum(run.frames for run in find_runs(chunks(data), index))

            found, wall, cpu = timed(scan)
            megabytes = len(data) / 1e6
            print(
                f"{name}: {megabytes / wall:.0f} MB/s, {megabytes / cpu:.0f} of processor time, "
                f"{found:,} frames in runs of at least {MIN_RUN}"
            )
    few = files["random bytes"][: 1 << 20]
    _, wall, cpu = timed(lambda: look_everywhere(few, tokens_NP[:1000]))
    print(f"a plain loop over offsets, random bytes: {len(few) / 1e6 / cpu:.2f} MB/s of processor time")


if __name__ == "__main__":
    main()
