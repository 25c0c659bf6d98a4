"""A training split, its index, and the ways to write its frames down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.clips import Clip, open_clip
from harness.progress import Silent
from harness.retrieval.frame_index import FrameIndex, index_frames

Writer = Callable[[NDArray[np.uint32]], bytes]


def packed(tokens_CP: NDArray[np.uint32], *, high_bit_first: bool, order: str) -> bytes:
    bits = (tokens_CP[..., None] >> np.arange(18) & 1).astype(np.uint8)
    return np.packbits(bits[..., ::-1] if high_bit_first else bits, bitorder=order).tobytes()


WRITERS: dict[str, Writer] = {
    "uint32": lambda tokens: tokens.astype("<u4").tobytes(),
    "uint64": lambda tokens: tokens.astype("<i8").tobytes(),
    "packed18": lambda tokens: packed(tokens, high_bit_first=False, order="little"),
    "packed18, bytes from the top": lambda tokens: packed(tokens, high_bit_first=False, order="big"),
    "packed18, big-endian": lambda tokens: packed(tokens, high_bit_first=True, order="big"),
}
"""Written another way than they are read."""


@pytest.fixture
def split(make_clip) -> Clip:
    """300 frames, no two of them equal."""
    return open_clip(make_clip((150, 150), hold=1))


@pytest.fixture
def frames(split: Clip) -> NDArray[np.uint32]:
    """The split's tokens, `[N, 256]`."""
    return np.asarray(split.tokens_NHW).reshape(split.num_frames, -1)


@pytest.fixture
def index(split: Clip) -> FrameIndex:
    return index_frames(split, progress=Silent())


@pytest.fixture
def writers() -> dict[str, Writer]:
    return WRITERS


@pytest.fixture(params=WRITERS)
def layout(request) -> str:
    """Each layout's name in turn."""
    return request.param


@pytest.fixture
def write(layout: str) -> Writer:
    """Frames as bytes of this layout."""
    return WRITERS[layout]
