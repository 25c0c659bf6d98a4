"""Training frames that a copier might have looked up for each prediction, and what it would show.

Axes: B graded windows, T predicted frames of a window (t = 1..15, index t - 1), C candidates of a prediction,
Q = B*T predictions, K moments of a list.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.truth import ClipTruth
from harness.data.windows import window_frames
from harness.disk.whole_file import whole_file
from harness.progress import Progress, Silent
from harness.retrieval.engines import Engine, best_engine
from harness.retrieval.moments import RECENT, search_moments
from harness.retrieval.packing import words
from harness.spec import CHALLENGE, ChallengeSpec

PER_LIST = 50
"""Candidates near the last observed frame, and as many near the last four."""
SEGMENTS = 16
"""Training segments of which the best position is a candidate, so that there are controls from other segments."""

_DEEPER = 3
"""A moment closer than a stride to a better one is dropped; one can only be so to its two neighbours."""
_FORMAT = 1
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Where in the training split a copier might have found what it saw.

    Attributes:
        positions_BTC: training frames that look like what was observed before frame t, int64; -1 where there is none.
            First PER_LIST nearest to the last observed frame, then PER_LIST nearest to the last four, then the best
            of each of SEGMENTS segments, each list ascending by (distance, position). No two of one of the first two
            lists are closer than a stride; none stands twice in a row: -1 takes its later places.
        train: the training split.
        engine: what searched it.
        spec: its stride leads from a position to its successor.
    """

    positions_BTC: NDArray[np.int64]
    train: Clip
    engine: str
    spec: ChallengeSpec = CHALLENGE

    @cached_property
    def sources_BTC(self) -> NDArray[np.int64]:
        """The positions' successors, which a copier would show; -1 where there is none."""
        return np.where(self.positions_BTC >= 0, self.positions_BTC + self.spec.stride, -1)

    @cached_property
    def segments_BTC(self) -> NDArray[np.int64]:
        """The ids of the segments that hold them; -1 where there is none."""
        ids_BTC = np.asarray(self.train.segment_ids_N)[self.positions_BTC].astype(np.int64)
        return np.where(self.positions_BTC >= 0, ids_BTC, -1)

    def tokens(self, b: int, t_index: int) -> NDArray[np.uint32]:
        """The sources that there are, in their order: uint32 `[C, H, W]`."""
        source_C = self.sources_BTC[b, t_index]
        return np.asarray(self.train.tokens_NHW[source_C[source_C >= 0]])


def find_candidates(
    truth: ClipTruth, train: Clip, *, engine: Engine | None = None, progress: Progress | None = None
) -> Candidates:
    """The candidates of every prediction of every graded window, by an exact search of the training split."""
    engine, spec = engine or best_engine(), truth.spec
    shown_BT = window_frames(truth.starts, spec)[:, :-1]
    queries_QW = words(np.asarray(truth.clip.tokens_NHW[shown_BT.ravel()]))
    with (progress or Silent()).step("Searching the training split", total=train.num_frames) as advance:
        found = search_moments(
            queries_QW.reshape(*shown_BT.shape, queries_QW.shape[-1]),
            train,
            stride=spec.stride,
            per_list=_DEEPER * PER_LIST,
            best_of=SEGMENTS,
            engine=engine,
            advance=advance,
        )
    lists = (
        thinned(found.last.frames_QK, PER_LIST, spec.stride),
        thinned(found.recent.frames_QK, PER_LIST, spec.stride),
        found.segment.frames_QK,
    )
    positions_QC = _once_a_row(np.concatenate(lists, axis=1))
    return Candidates(
        positions_BTC=positions_QC.reshape(*shown_BT.shape, positions_QC.shape[1]),
        train=train,
        engine=engine.name,
        spec=spec,
    )


def thinned(frames_QK: NDArray[np.int64], kept: int, stride: int) -> NDArray[np.int64]:
    """Of each row, best first, the frames at least a stride from every better one kept: int64 `[Q, kept]`, -1 after.

    Frames of two segments are never closer: a segment's last stride has no successor and is on no list.
    """
    keeps_QK = np.zeros(frames_QK.shape, np.bool_)
    for place in range(frames_QK.shape[1]):
        frame_Q = frames_QK[:, place]
        close_QK = np.abs(frames_QK[:, :place] - frame_Q[:, None]) < stride
        keeps_QK[:, place] = (frame_Q >= 0) & ~(close_QK & keeps_QK[:, :place]).any(1)
    order_QK = np.argsort(~keeps_QK, axis=1, kind="stable")[:, :kept]
    chosen_QK = np.where(keeps_QK, frames_QK, -1)
    result: NDArray[np.int64] = np.take_along_axis(chosen_QK, order_QK, axis=1)
    return result


def _once_a_row(frames_QC: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same, with -1 for whatever stands further left in its row already."""
    order_QC = np.argsort(frames_QC, axis=1, kind="stable")
    sorted_QC = np.take_along_axis(frames_QC, order_QC, axis=1)
    again_QC = np.zeros(frames_QC.shape, np.bool_)
    np.put_along_axis(again_QC, order_QC[:, 1:], sorted_QC[:, 1:] == sorted_QC[:, :-1], axis=1)
    return np.where(again_QC, -1, frames_QC)


def candidates_for(
    truth: ClipTruth,
    train: Clip,
    *,
    folder: Path,
    train_sha256: str,
    data_sha256: str,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Candidates:
    """`find_candidates`, kept in `folder` and found again there; a damaged file is made again.

    The digests are of the training clip and of the graded one.

    Raises: OSError, if the folder cannot be read or written.
    """
    path = folder / f"candidates-{_key(truth, train_sha256, data_sha256)[:32]}"
    positions_BTC, engine_name = _read(path)
    if positions_BTC is not None:
        return Candidates(positions_BTC=positions_BTC, train=train, engine=engine_name, spec=truth.spec)
    candidates = find_candidates(truth, train, engine=engine, progress=progress)
    content = BytesIO()
    np.savez(content, positions_BTC=candidates.positions_BTC, engine=np.array(candidates.engine))
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path, durable=False) as file:
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.write(content.getbuffer())
    return candidates


def _key(truth: ClipTruth, train_sha256: str, data_sha256: str) -> str:
    """Everything that the candidates depend on."""
    starts_sha256 = hashlib.sha256(np.ascontiguousarray(truth.starts, "<i8").data).hexdigest()
    spec = truth.spec
    parts = [_FORMAT, train_sha256, data_sha256, starts_sha256, PER_LIST, SEGMENTS, RECENT]
    return hashlib.sha256(json.dumps([*parts, spec.version, spec.window, spec.stride]).encode()).hexdigest()


def _read(path: Path) -> tuple[NDArray[np.int64] | None, str]:
    """Positions and engine as they were kept; no positions where there is no such file or not all of it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None, ""
    if hashlib.sha256(content[_DIGEST_BYTES:]).digest() != content[:_DIGEST_BYTES]:
        return None, ""
    with np.load(BytesIO(content[_DIGEST_BYTES:]), allow_pickle=False) as arrays:
        return arrays["positions_BTC"], str(arrays["engine"])
