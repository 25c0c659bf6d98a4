"""Checkpoints of MAGVIT2's layout."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.magvit2_layout import Layout, expected_shapes

GOLDEN = Path(__file__).parents[2] / "golden" / "magvit2"


@pytest.fixture
def golden_checkpoint() -> Path:
    """A tiny checkpoint in the layout of 1X's, with `model_ema.*` and `loss.*` of other values in it."""
    return GOLDEN / "magvit2_tiny.ckpt"


@pytest.fixture
def vectors() -> dict[str, np.ndarray]:
    """What 1X's reference code makes of it; tests/golden/magvit2/README.md says which is which."""
    with np.load(GOLDEN / "vectors.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture
def make_checkpoint(torch: Any, tmp_path: Path) -> Callable[..., Path]:
    """Writes a random checkpoint of these widths; `change` may spoil its state dict before."""

    def make(
        *,
        widths: tuple[int, ...] = (32, 32, 64),
        change: Callable[[dict[str, Any]], None] = lambda state: None,
    ) -> Path:
        dice = torch.Generator().manual_seed(0)
        layout = Layout(widths=widths, blocks=1, mid_blocks=1)
        state = {key: torch.randn(shape, generator=dice) * 0.1 for key, shape in expected_shapes(layout)}
        change(state)
        path = tmp_path / "made.ckpt"
        torch.save({"state_dict": state}, path)
        return path

    return make


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a video of grey pictures; `times` are in frames, else they follow each other at `hz`."""
    av = pytest.importorskip("av")

    def make(
        greys: list[int], *, hz: int = 30, times: list[int] | None = None, name: str = "video.mkv"
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=hz, width=64, height=48, pix_fmt="yuv420p")
            stream.time_base = Fraction(1, hz)
            for grey, time in zip(greys, times or range(len(greys)), strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, hz)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
