"""Stand-ins that tests of several packages share: a codec anybody can follow, a Progress that listens, a bad pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.progress import Silent


class Flat:
    """A codec that draws each token as a patch of its low byte; it keeps what it was asked to decode."""

    name = "flat"

    def __init__(self, *, patch: int = 16, digest: str = "a" * 64) -> None:
        self.patch = patch
        self.digest = digest
        self.asked: list[np.ndarray] = []

    @property
    def decoded(self) -> int:
        """How many frames."""
        return sum(map(len, self.asked))

    def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
        self.asked.append(tokens_BHW)
        bytes_BHW = (tokens_BHW & 255).astype(np.uint8)
        patches_BYX = bytes_BHW.repeat(self.patch, axis=1).repeat(self.patch, axis=2)
        return np.repeat(patches_BYX[..., None], 3, axis=-1)

    def encode(self, images_BYXC: np.ndarray) -> np.ndarray:
        return images_BYXC[:, :: self.patch, :: self.patch, 0].astype(np.uint32)


class Listener(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))
