"""Clips, guests and channels that tests of several packages share."""

from __future__ import annotations

import importlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.protocol import guest
from harness.protocol.wire import SocketChannel

sys.path.insert(0, str(Path(__file__).parent))

from hub_stand_in import hub, no_hub_settings  # noqa: F401 - fixtures

RAW_SPAN = 226


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip of segments with these lengths; the random tokens change every `hold` raw frames."""

    def make(lengths: tuple[int, ...] = (RAW_SPAN,) * 4, *, hold: int = 20, name: str = "clip") -> Path:
        rng = np.random.default_rng(0)
        frames = sum(lengths)
        scenes = rng.integers(1 << 18, size=(frames // hold + 1, 16, 16), dtype=np.uint32)
        tokens_NHW = np.repeat(scenes, hold, axis=0)
        folder = tmp_path / name
        write_clip(
            folder,
            tokens_NHW=tokens_NHW[:frames],
            segment_ids_N=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
            actions={key: rng.normal(size=(frames, width)) for key, width in ACTION_WIDTHS.items()},
            tokenizer_ckpt="data/magvit2.ckpt",
        )
        return folder

    return make


@pytest.fixture
def torch() -> Iterator[ModuleType]:
    """The library, on one thread: other tests are running."""
    library = importlib.import_module("torch")
    threads = library.get_num_threads()
    library.set_num_threads(1)
    yield library
    library.set_num_threads(threads)


class LastFrame:
    """An honest predictor: the next frame is the last one, with a little doubt."""

    max_batch = 3
    causal = True

    def reset(self, batch: int) -> None:
        self.batch = batch
        self.frame_BHW = np.zeros((batch, 16, 16), np.uint32)
        self.position = 0

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
        assert actions_BSA.shape == (self.batch, 15, 28)
        self.frame_BHW = frame_BHW

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        return likely(self.frame_BHW), self.frame_BHW

    def predict_token(self) -> np.ndarray:
        return likely(self.frame_BHW.reshape(self.batch, -1)[:, self.position % 256])

    def observe_token(self, token_B: np.ndarray) -> None:
        self.position += 1


def likely(tokens: np.ndarray, strength: float = 6.0) -> np.ndarray:
    """Logits that favour these tokens: [...] -> [..., 2, 512]."""
    factors = np.stack([tokens % 512, tokens // 512], axis=-1)
    return np.where(np.arange(512) == factors[..., None], strength, 0).astype(np.float32)


@pytest.fixture
def last_frame() -> type[LastFrame]:
    return LastFrame


@pytest.fixture
def logits_for() -> Callable[..., np.ndarray]:
    return likely


@contextmanager
def _guest_channel(make_predictor: Callable[[], Any]) -> Iterator[SocketChannel]:
    ours, theirs = socket.socketpair()
    failures: list[BaseException] = []

    def serve() -> None:
        with theirs:
            try:
                guest._Session(theirs).run(make_predictor)
            except BaseException as error:  # noqa: BLE001 - the host was told; a thread has nobody else to tell
                failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours:
            yield SocketChannel(ours)
    finally:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def guest_channel() -> Callable[[Callable[[], Any]], AbstractContextManager[SocketChannel]]:
    """A channel to the real guest code with this predictor, in a thread."""
    return _guest_channel


@contextmanager
def _script_channel(say: Callable[[socket.socket], None]) -> Iterator[SocketChannel]:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=say, args=(theirs,))
    thread.start()
    try:
        with ours:
            yield SocketChannel(ours)
    finally:
        thread.join(30)
        theirs.close()
        assert not thread.is_alive()


@pytest.fixture
def script_channel() -> Callable[[Callable[[socket.socket], None]], AbstractContextManager[SocketChannel]]:
    """A channel to a peer that is only this function; for guests that break the rules."""
    return _script_channel
