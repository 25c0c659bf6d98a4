"""What a reel shows: the same windows that are generated from, the prompt as it was, short clips too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.scenes import open_reel
from harness.data.clips import write_clip
from harness.data.generated import Generated, write_generated
from harness.errors import DataInvalid


class FirstTokenShown:
    """Decodes a frame to one pixel: its first token."""

    name = digest = "first-token"

    def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
        return np.repeat(tokens_BHW[:, :1, :1, None], 3, axis=3).astype(np.uint8)


def counting_clip(folder: Path, lengths: tuple[int, ...]) -> Path:
    """Frame n is made of token n % 251."""
    frames = np.arange(sum(lengths), dtype=np.uint32) % 251
    write_clip(
        folder,
        tokens_NHW=np.broadcast_to(frames[:, None, None], (len(frames), 16, 16)),
        segment_ids_N=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        actions={},
        tokenizer_ckpt="codec.npz",
    )
    return folder


def shown(images_TYXC: Any) -> list[int]:
    return np.asarray(images_TYXC)[:, 0, 0, 0].tolist()


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """Two windows: truth 0, 1, ... and 16, 17, ...; what was generated has 100 more, the first 8 frames apart."""
    truth_BT = np.arange(32, dtype=np.uint32).reshape(2, 16)
    tokens_BT = truth_BT + np.where(np.arange(16) < 8, 0, 100).astype(np.uint32)
    shape = (2, 16, 16, 16)
    made = Generated(
        tokens_BTHW=np.broadcast_to(tokens_BT[..., None, None], shape),
        truth_BTHW=np.broadcast_to(truth_BT[..., None, None], shape),
        prompt_frames=8,
        tokenizer_ckpt="codec.npz",
        settings={},
    )
    write_generated(tmp_path / "made", made)
    return tmp_path / "made"


def test_a_split_is_shown_in_disjoint_windows_at_2_hz(tmp_path: Path) -> None:
    reel = open_reel(counting_clip(tmp_path / "clip", (226, 460)))
    assert [frames_T[0] for frames_T in reel.windows] == [0, 226, 452]
    scene = reel.scene(1, FirstTokenShown())  # type: ignore[arg-type]
    assert shown(scene.truth_TYXC) == [n % 251 for n in range(226, 452, 15)]
    assert (scene.num_frames, scene.hz, scene.generated_TYXC) == (16, 2, None)
    assert not scene.is_prompt(0)


def test_what_was_generated_stands_beside_the_truth_of_its_window(generated: Path) -> None:
    reel = open_reel(generated)
    assert len(reel.windows) == 2
    scene = reel.scene(1, FirstTokenShown())  # type: ignore[arg-type]
    assert shown(scene.truth_TYXC) == list(range(16, 32))
    assert shown(scene.generated_TYXC) == [*range(16, 24), *range(124, 132)]
    assert [scene.is_prompt(t) for t in range(16)] == [True] * 8 + [False] * 8


def test_the_truth_of_a_generated_folder_is_a_clip_like_any_other(generated: Path) -> None:
    reel = open_reel(generated / "truth")
    assert shown(reel.scene(0, FirstTokenShown()).truth_TYXC) == list(range(16))  # type: ignore[arg-type]
    assert reel.generated_NHW is None


def test_a_clip_too_short_for_a_window_shows_what_there_is(tmp_path: Path) -> None:
    reel = open_reel(counting_clip(tmp_path / "clip", (40, 1)))
    assert [shown(reel.scene(n, FirstTokenShown()).truth_TYXC) for n in (0, 1)] == [[0, 15, 30], [40]]  # type: ignore[arg-type]


def test_a_clip_without_frames_or_none_at_all_is_an_error_with_its_name(tmp_path: Path) -> None:
    folder = counting_clip(tmp_path / "clip", (16,))
    (folder / "metadata.json").write_text('{"num_images": 0, "hz": 30}')
    with pytest.raises(DataInvalid, match="num_images is 0"):
        open_reel(folder)
    with pytest.raises(DataInvalid) as caught:
        open_reel(tmp_path / "nowhere")
    assert caught.value.code == "data.folder_missing"
