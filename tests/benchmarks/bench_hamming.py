"""The search of the training split: every engine against faiss, on the same frames in one run.

Run: python tests/benchmarks/bench_hamming.py. faiss comes with `pip install faiss-cpu`; it is compared with where it is
installed. Needs a GB of disk for a while.

Axes: Q query frames, N frames, W words of a packed frame.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip, ClipMetadata
from harness.data.truth import ClipTruth
from harness.retrieval.engine_torch import TorchEngine
from harness.retrieval.engines import Engine, NumbaEngine, NumpyEngine, best_engine
from harness.retrieval.hamming import in_order, nearest, spans
from harness.retrieval.neighbours import find_candidates
from harness.retrieval.packing import words
from harness.spec import CHALLENGE

TRAIN_FRAMES, SEGMENT_FRAMES = 10_832_584, 650
VAL_WINDOWS = 243
QUERIES, FRAMES, NEAREST = 480, 32_768, 50
REPEATS = 5

Work = Callable[[], object]


def engines(threads: int, device: str | None) -> dict[str, Engine]:
    """Every engine that this machine can run."""
    found: dict[str, Engine] = {"numpy": NumpyEngine(threads=threads)}
    if importlib.util.find_spec("numba"):
        found["numba"] = NumbaEngine(threads=threads)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
        found[f"torch on {device or 'cpu'}"] = TorchEngine(
            device=device or "cpu", threads=1, tile_frames=4096
        )
    return found


def distances_alone(engine: Engine, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> None:
    """All distances, tile by tile, nothing kept."""

    def tile(span: range) -> None:
        engine.distances(queries_QW, frames_NW[span.start : span.stop])

    for _ in in_order(tile, spans(len(frames_NW), engine.tile_frames), engine.threads):
        pass


def faiss_search(threads: int, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> Work | None:
    """faiss' exact search, or None where it is not installed."""
    if not importlib.util.find_spec("faiss"):
        return None
    faiss: Any = importlib.import_module("faiss")
    index = faiss.IndexBinaryFlat(frames_NW.shape[1] * 64)
    index.add(frames_NW.view(np.uint8))

    def search() -> None:
        faiss.omp_set_num_threads(threads)
        index.search(queries_QW.view(np.uint8), NEAREST)

    return search


def compare(threads: int, device: str | None) -> None:
    """Print pairs a second of every engine and of faiss, measured in turns."""
    rng = np.random.default_rng(0)
    frames_NHW = rng.integers(CHALLENGE.vocab, size=(FRAMES, 16, 16), dtype=np.uint32)
    queries_QHW = rng.integers(CHALLENGE.vocab, size=(QUERIES, 16, 16), dtype=np.uint32)
    frames_NW, queries_QW = words(frames_NHW), words(queries_QHW)
    works: dict[str, Work] = {}
    for name, engine in engines(threads, device).items():
        works[f"{name}, distances"] = functools.partial(distances_alone, engine, queries_QW, frames_NW)
        works[f"{name}, {NEAREST} nearest of tokens"] = functools.partial(
            nearest, queries_QHW, frames_NHW, NEAREST, engine=engine
        )
    if search := faiss_search(threads, queries_QW, frames_NW):
        works[f"faiss IndexBinaryFlat, {NEAREST} nearest of packed frames"] = search
    least_s = dict.fromkeys(works, (float("inf"), float("inf")))
    for repeat in range(REPEATS + 1):  # the first compiles and is not counted
        for name, work in works.items():
            begin, begin_cpu = time.perf_counter(), time.process_time()
            work()
            seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
            if repeat:
                least_s[name] = min(least_s[name][0], seconds), min(least_s[name][1], cpu)
    millions = QUERIES * FRAMES / 1e6
    for name, (seconds, cpu) in least_s.items():
        print(
            f"{threads} thread(s), {name}: {millions / seconds:.0f} M pairs/s, "
            f"{millions / cpu:.0f} M a second of a processor"
        )


def random_clip(folder: Path, frames: int) -> Clip:
    """A clip of random frames on disk, in segments as long as the training split's are on average."""
    rng = np.random.default_rng(1)
    path = folder / "video.bin"
    with path.open("wb") as file:
        for span in spans(frames, 1 << 14):
            rng.integers(CHALLENGE.vocab, size=(len(span), 16, 16), dtype=np.uint32).tofile(file)
    return Clip(
        folder=folder,
        metadata=ClipMetadata(num_images=frames),
        tokens_NHW=np.memmap(path, np.uint32, "r", shape=(frames, 16, 16)),
        segment_ids_N=np.arange(frames, dtype=np.int32) // SEGMENT_FRAMES,
        actions=MappingProxyType({}),
    )


def whole_split(engine: Engine, frames: int, windows: int) -> None:
    """Print how long all of val's windows take against `frames` random ones, and so against the training split."""
    with tempfile.TemporaryDirectory() as folder:
        train = random_clip(Path(folder), frames)
        truth = ClipTruth(clip=train, starts=np.arange(windows) * SEGMENT_FRAMES)
        last_QHW = np.concatenate([truth.tokens_at(np.arange(windows), t) for t in range(15)])
        searches: dict[str, Work] = {
            "candidates": lambda: find_candidates(truth, train, engine=engine),
            "the nearest frame": lambda: nearest(last_QHW, train.tokens_NHW, 1, engine=engine),
        }
        for name, search in searches.items():
            tracemalloc.start()
            begin, begin_cpu = time.perf_counter(), time.process_time()
            search()
            seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            pairs = len(last_QHW) * frames
            print(
                f"{engine.name}, {engine.threads} thread(s), {name}: {len(last_QHW):,} queries, {frames:,} frames, "
                f"{seconds:.0f} s, {cpu:.0f} s of processors, {pairs / seconds / 1e6:.0f} M pairs/s, "
                f"peak {peak / 1e6:.0f} MB; extrapolated to {TRAIN_FRAMES:,} frames: "
                f"{seconds * TRAIN_FRAMES / frames:.0f} s, {cpu * TRAIN_FRAMES / frames:.0f} s of processors"
            )
    print(
        f"resident at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB, the map included"
    )


def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, default=1_000_000, help="for the search that is extrapolated")
    parser.add_argument("--windows", type=int, default=VAL_WINDOWS)
    parser.add_argument("--device", help="a GPU to measure torch on, such as cuda")
    options = parser.parse_args()
    for threads in options.threads:
        compare(threads, options.device)
    engine = replace(best_engine(options.device), threads=options.threads[-1])
    whole_split(engine, options.frames, options.windows)


if __name__ == "__main__":
    main()
