"""A clip written as its frames arrive."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.data.clip_writer import writing_clip
from harness.data.clips import open_clip
from harness.errors import DataInvalid, OutputFailed, UsageError


def frame(value: int) -> np.ndarray:
    return np.full((16, 16), value, np.uint32)


def test_what_is_appended_is_the_clip(tmp_path: Path) -> None:
    with writing_clip(tmp_path / "deep" / "clip", tokenizer_ckpt="../codec.npz") as writer:
        writer.append(frame(5), segment=0)
        writer.append(frame(2**18 - 1), segment=0, times=3)
        writer.append(frame(7), segment=1, times=3000)
    clip = open_clip(tmp_path / "deep" / "clip")
    assert clip.num_frames == 3004
    assert clip.tokens_NHW[:, 3, 4].tolist() == [5, *[2**18 - 1] * 3, *[7] * 3000]
    assert clip.segment_ids_N.tolist() == [0] * 4 + [1] * 3000
    assert clip.action_widths == {}
    assert json.loads((clip.folder / "metadata.json").read_text())["tokenizer_ckpt"] == "../codec.npz"


def test_nothing_is_there_until_the_end(tmp_path: Path) -> None:
    with writing_clip(tmp_path / "clip", tokenizer_ckpt="c") as writer:
        writer.append(frame(1), segment=0)
        assert not (tmp_path / "clip").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt])
def test_what_ends_early_leaves_nothing(tmp_path: Path, end: type[BaseException]) -> None:
    def begin() -> None:
        with writing_clip(tmp_path / "clip", tokenizer_ckpt="c") as writer:
            writer.append(frame(1), segment=0)
            raise end

    with pytest.raises(end):
        begin()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    with pytest.raises(UsageError) as caught, writing_clip(tmp_path / "clip", tokenizer_ckpt="c"):
        pass
    assert caught.value.code == "usage.output_exists"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputFailed), writing_clip(tmp_path / "file" / "clip", tokenizer_ckpt="c"):
        pass


def test_a_grid_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as caught, writing_clip(tmp_path / "clip", tokenizer_ckpt="c") as writer:
        writer.append(np.zeros((64, 64), np.uint32), segment=0)
    assert caught.value.code == "codec.grid"
    assert list(tmp_path.iterdir()) == []
