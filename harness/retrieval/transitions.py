"""What usually follows a value: an honest predictor that the host counts in the training clip.

Axes: N raw frames, n counted frames of one chunk, P cells of a frame (position * factors + factor), F factors, U
values of a factor before and V after.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.disk.whole_file import whole_file
from harness.errors import StoreFailed
from harness.progress import Advance, Progress
from harness.retrieval.probes import cell_values
from harness.spec import CHALLENGE, ChallengeSpec

MOST_FRAMES = 1 << 20
"""Of a longer clip every k-th frame is counted, with the smallest k that keeps to it."""
TRANSITION_WEIGHT = 0.8
"""The rest is the cell's own marginal. Of .3, .5, .7 and .9 the last two fit the demo's graded clips best, equally."""

_CHUNK_FRAMES = 1024


@dataclass(frozen=True, kw_only=True)
class Transitions:
    """Counts over pairs of training frames, a stride apart in one segment.

    Attributes:
        pairs_FUV: int64, how often value u was followed by v in its cell, all positions together.
        after_PV: int64, how often each cell showed v in the second frame of a pair.
    """

    pairs_FUV: NDArray[np.int64]
    after_PV: NDArray[np.int64]

    def given(self, before_P: NDArray[np.integer]) -> NDArray[np.float64]:
        """p(v | the cell's value before): float64 `[P, V]`, each row sums to 1.

        w pairs(u, v) / pairs(u) + (1 - w) (after(cell, v) + 1) / (pairs + V), w the TRANSITION_WEIGHT; a value that
        was never seen before another leaves it all to the marginal.
        """
        factor_P = np.arange(len(before_P)) % len(self.pairs_FUV)
        background_P1 = 1 - self._weighted_FUV[factor_P, before_P].sum(axis=1, keepdims=True)
        mixed_PV: NDArray[np.float64] = (
            self._weighted_FUV[factor_P, before_P] + background_P1 * self._marginal_PV
        )
        return mixed_PV

    @cached_property
    def _weighted_FUV(self) -> NDArray[np.float64]:
        seen_FU1 = np.maximum(self.pairs_FUV.sum(axis=2, keepdims=True), 1)
        weighted_FUV: NDArray[np.float64] = TRANSITION_WEIGHT * self.pairs_FUV / seen_FU1
        return weighted_FUV

    @cached_property
    def _marginal_PV(self) -> NDArray[np.float64]:
        smoothed_PV = self.after_PV + 1.0
        marginal_PV: NDArray[np.float64] = smoothed_PV / smoothed_PV.sum(axis=1, keepdims=True)
        return marginal_PV


def count_transitions(
    train: Clip,
    *,
    advance: Advance,
    spec: ChallengeSpec = CHALLENGE,
    most_frames: int = MOST_FRAMES,
    chunk_frames: int = _CHUNK_FRAMES,
) -> Transitions:
    """The counts of a clip of any length, a chunk at a time; `advance` is told of raw frames."""
    vocab, cells = spec.factor_vocab, spec.tokens_per_frame * spec.factors
    first_P, factor_P = np.arange(cells) * vocab, np.arange(cells) % spec.factors
    pairs = np.zeros(spec.factors * vocab * vocab, np.int64)
    after = np.zeros(cells * vocab, np.int64)
    step = -(-train.num_frames // most_frames)
    for begin in range(0, train.num_frames, chunk_frames * step):
        now_n = np.arange(begin, min(begin + chunk_frames * step, train.num_frames - spec.stride), step)
        now_n = now_n[train.segment_ids_N[now_n] == train.segment_ids_N[now_n + spec.stride]]
        now_nP = cell_values(train.tokens_NHW[now_n], spec).astype(np.int64)
        next_nP = cell_values(train.tokens_NHW[now_n + spec.stride], spec)
        codes_nP = (factor_P * vocab + now_nP) * vocab + next_nP
        pairs += np.bincount(codes_nP.ravel(), minlength=len(pairs))
        after += np.bincount((first_P + next_nP).ravel(), minlength=len(after))
        advance(min(chunk_frames * step, train.num_frames - begin))
    return Transitions(
        pairs_FUV=pairs.reshape(spec.factors, vocab, vocab), after_PV=after.reshape(cells, vocab)
    )


def transitions_for(train: Clip, *, folder: Path, train_sha256: str, progress: Progress) -> Transitions:
    """The counts of a training clip, found again in `folder`; made where they are missing or damaged.

    Raises: StoreFailed.
    """
    path = folder / f"transitions-{train_sha256}-{MOST_FRAMES}.npz"
    try:
        if (kept := _read(path, progress)) is not None:
            return kept
        with progress.step("counting what follows what, training frames", total=train.num_frames) as advance:
            made = count_transitions(train, advance=advance)
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path, durable=False) as file:
            np.savez(file, pairs_FUV=made.pairs_FUV, after_PV=made.after_PV)
    except OSError as error:
        raise StoreFailed(
            f"counts of the training set cannot be kept at {path}: {error.strerror or error}",
            fix="name a folder that can be written, with free space, in --store",
        ) from error
    return made


def _read(path: Path, progress: Progress) -> Transitions | None:
    """What the file holds, None where it is missing or damaged; a zip has a checksum for every member."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Transitions(pairs_FUV=arrays["pairs_FUV"], after_PV=arrays["after_PV"])
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        progress.note(f"{path} is damaged and is made again")
        return None
