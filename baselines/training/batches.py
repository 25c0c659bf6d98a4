"""Windows of a clip as batches: which ones there are, read ahead in the background, and brought to the device.

Axes: W windows of the clip, B windows of a batch, T frames, H rows, W columns, S raw rows of actions per frame,
A action columns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.training.learner import Batch
from baselines.training.recipe import Starts
from harness.data.clips import Clip
from harness.data.windows import Schedule, find_segments, window_frames, window_starts
from harness.errors import DataInvalid
from harness.spec import CHALLENGE, ChallengeSpec

T = TypeVar("T")
AHEAD = 4
"""Batches that are read before they are asked for."""
READERS = 2
"""Threads that read: a page that is not in memory yet keeps one of them waiting, not both."""


@dataclass(frozen=True, kw_only=True)
class HostBatch:
    """Windows in this machine's memory, as small as they can be.

    Attributes:
        tokens_BTHW: int32.
        actions_BTSA: float32.
    """

    tokens_BTHW: Tensor
    actions_BTSA: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on the device; from pinned memory the copy does not wait."""
        return Batch(
            tokens_BTHW=self.tokens_BTHW.to(device, non_blocking=True).long(),
            actions_BTSA=self.actions_BTSA.to(device, non_blocking=True),
        )

    def pinned(self) -> HostBatch:
        """The same in memory that a GPU copies from by itself."""
        return HostBatch(
            tokens_BTHW=self.tokens_BTHW.pin_memory(), actions_BTSA=self.actions_BTSA.pin_memory()
        )


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The windows of a clip that begin at `starts_W`, read where they are asked for by their index."""

    clip: Clip
    starts_W: NDArray[np.int64]
    with_actions: bool
    spec: ChallengeSpec = CHALLENGE

    def __len__(self) -> int:
        return len(self.starts_W)

    def read(self, windows_B: NDArray[np.int64]) -> HostBatch:
        """Tokens, and actions if they are wanted."""
        frames_BT = window_frames(self.starts_W[windows_B], self.spec)
        return HostBatch(
            tokens_BTHW=torch.from_numpy(self.clip.tokens_NHW[frames_BT].astype(np.int32)),
            actions_BTSA=torch.from_numpy(self._actions(frames_BT)),
        )

    def _actions(self, frames_BT: NDArray[np.int64]) -> NDArray[np.float32]:
        """The raw actions that led to each frame, as `ClipTruth.actions_until` gives them: float32 [B,T,S,A]."""
        if not self.with_actions:
            return np.zeros((*frames_BT.shape, self.spec.stride, 0), np.float32)
        back_TS = np.tile(np.arange(1 - self.spec.stride, 1), (self.spec.window, 1))
        back_TS[0] = 0  # nothing led to the first frame: its own row, over and over
        return self.clip.actions_at(frames_BT[:, :, None] + back_TS).astype(np.float32, copy=False)


def training_starts(clip: Clip, starts: Starts) -> NDArray[np.int64]:
    """Where the windows to train on begin: int64 [W], at least one. Raises: DataInvalid."""
    if starts is Starts.UPSTREAM:
        found_W = window_starts(find_segments(clip.segment_ids_N), Schedule.UPSTREAM)
    else:
        last = CHALLENGE.raw_span - 1
        first_N, last_N = clip.segment_ids_N[: clip.num_frames - last], clip.segment_ids_N[last:]
        found_W = np.flatnonzero(first_N == last_N).astype(np.int64)
    return _some(found_W, clip)


def heldout_starts(clip: Clip) -> NDArray[np.int64]:
    """Where windows begin that do not touch each other, in order: int64 [W], at least one. Raises: DataInvalid."""
    return _some(window_starts(find_segments(clip.segment_ids_N), Schedule.DISJOINT), clip)


def spread(num_windows: int, wanted: int | None) -> NDArray[np.int64]:
    """The indices of `wanted` windows (None or too many: all), evenly spread over all of them."""
    count = num_windows if wanted is None else min(wanted, num_windows)
    return np.linspace(0, num_windows - 1, count).round().astype(np.int64)


@contextmanager
def read_ahead(
    read: Callable[[T], HostBatch], wanted: Iterable[T], *, pin: bool = False
) -> Iterator[Iterator[HostBatch]]:
    """`read(x)` for each x of `wanted` in order, done a few before it is taken; its errors come out there.

    `read` is called by several threads, `wanted` is asked by the caller's only.
    """

    def prepare(what: T) -> HostBatch:
        batch = read(what)
        return batch.pinned() if pin else batch

    def in_order(pool: ThreadPoolExecutor) -> Iterator[HostBatch]:
        waiting: deque[Future[HostBatch]] = deque()
        for what in wanted:
            waiting.append(pool.submit(prepare, what))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    with ThreadPoolExecutor(READERS, thread_name_prefix="reader") as pool:
        try:
            yield in_order(pool)
        finally:
            pool.shutdown(cancel_futures=True)


def _some(starts_W: NDArray[np.int64], clip: Clip) -> NDArray[np.int64]:
    if not len(starts_W):
        raise DataInvalid(
            f"{clip.folder} has no window: no segment of its {clip.num_frames:,} frames is "
            f"{CHALLENGE.raw_span} frames long",
            code="data.no_window",
            fix="name a split with longer segments, such as data/train_v1.1",
        )
    return starts_W
