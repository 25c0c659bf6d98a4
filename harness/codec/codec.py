"""What a codec does: tokens to images and back. Which one is meant, `harness.codec.choose` finds out.

Axes: B and N frames, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Codec(Protocol):
    """Tokens to images and back, any number of frames at once; beside the result, memory is bounded."""

    @property
    def name(self) -> str:
        """What records and metadata call it."""
        ...

    @property
    def digest(self) -> str:
        """sha256 of what decides its numbers; decoded truth is kept under it."""
        ...

    def decode(self, tokens_BHW: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Images [B,Y,X,C] of these frames."""
        ...

    def encode(self, images_BYXC: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Tokens [B,H,W] of these images."""
        ...


def decode_in_blocks(
    codec: Codec, tokens_NHW: NDArray[np.uint32], *, frames: int = 64
) -> Iterator[NDArray[np.uint8]]:
    """The images of any number of frames, `frames` of them at a time [B,Y,X,C]; memory does not grow with N."""
    for start in range(0, len(tokens_NHW), frames):
        yield codec.decode(np.asarray(tokens_NHW[start : start + frames]))
