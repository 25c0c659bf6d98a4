"""External video as a clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.choose import open_codec
from harness.codec.external import tokenize
from harness.codec.patch import PatchCodec
from harness.data.clips import Clip
from harness.errors import DataInvalid, UsageError
from harness.progress import Silent


class Grey:
    """A codec that remembers how bright each picture is, and how many it was shown at once."""

    name = digest = "grey"

    def __init__(self, side: int = 16) -> None:
        self.side = side
        self.shown: list[int] = []

    def encode(self, images_BYXC: np.ndarray) -> np.ndarray:
        assert images_BYXC.shape[1:] == (256, 256, 3)
        self.shown.append(len(images_BYXC))
        grey_B11 = np.rint(images_BYXC.mean((1, 2, 3))).astype(np.uint32)[:, None, None]
        return np.broadcast_to(grey_B11, (len(images_BYXC), self.side, self.side))

    def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
        raise NotImplementedError


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Clip]:
    """Tokenizes these sources into `clip` with a codec of brightness."""

    def tokenized(*sources: Path, codec: Any = None, **words: Any) -> Clip:
        words = {"codec_path": tmp_path / "codec.npz", "progress": Silent(), **words}
        return tokenize(sources, tmp_path / "made" / "clip", codec=codec or Grey(), **words)

    return tokenized


def greys(clip: Clip) -> list[int]:
    return clip.tokens_NHW[:, 0, 0].tolist()


def test_video_at_the_challenges_rate_keeps_every_frame(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    wanted = list(range(20, 220, 5))
    clip = run(make_video(wanted, hz=30))
    np.testing.assert_allclose(greys(clip), wanted, atol=3)
    assert clip.metadata.hz == 30
    assert clip.action_widths == {}


def test_slow_video_repeats_frames_and_fast_video_drops_some(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    wanted = [20, 90, 160]
    clip = run(make_video(wanted, hz=10))
    np.testing.assert_allclose(greys(clip), [20, 20, 90, 90, 90, 160, 160], atol=3)


def test_a_frame_that_is_repeated_is_encoded_once(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    codec = Grey()
    assert run(make_video([20, 90, 160], hz=1), codec=codec).num_frames == 61
    assert sum(codec.shown) == 3


def test_fast_video_is_encoded_only_where_it_is_needed(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    codec = Grey()
    assert run(make_video([100] * 120, hz=120), codec=codec).num_frames == 30
    assert sum(codec.shown) == 30


def test_each_source_is_a_segment_in_the_order_given(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    sources = [make_video([value] * frames, name=f"{value}.mkv") for value, frames in ((200, 3), (50, 2))]
    clip = run(*sources)
    np.testing.assert_allclose(greys(clip), [200] * 3 + [50] * 2, atol=3)
    assert clip.segment_ids_N.tolist() == [0, 0, 0, 1, 1]


def test_images_of_a_folder_run_at_the_rate_that_was_said(run: Callable[..., Clip], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "images").mkdir()
    for number in range(3):
        image.new("RGB", (30, 20), (number * 100,) * 3).save(tmp_path / "images" / f"{number}.png")
    clip = run(tmp_path / "images", images_hz=Fraction(15))
    assert greys(clip) == [0, 0, 100, 100, 200]


def test_a_long_video_is_encoded_a_few_frames_at_a_time(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    """Constant memory: no more pictures than a group are ever held."""
    codec = Grey()
    assert run(make_video([100] * 500), codec=codec).num_frames == 500
    assert max(codec.shown) <= 32


def test_the_clip_names_its_codec_so_that_it_is_found_again(
    tmp_path: Path, run: Callable[..., Clip], make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = PatchCodec.fit(np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8))
    codec.save(tmp_path / "codec.npz")
    monkeypatch.chdir(tmp_path)
    clip = run(make_video([10, 200]), codec=codec, codec_path=Path("codec.npz"))
    assert json.loads((clip.folder / "metadata.json").read_text())["tokenizer_ckpt"] == "../../codec.npz"
    monkeypatch.chdir("/")
    found = open_codec(clip.folder)
    assert found.digest == codec.digest
    assert found.decode(clip.tokens_NHW).shape == (2, 256, 256, 3)


@pytest.mark.torch
def test_magvit2_makes_the_challenges_grid(
    run: Callable[..., Clip], make_video: Callable[..., Path], golden_checkpoint: Path, torch: Any
) -> None:
    codec = open_codec(Path(), str(golden_checkpoint), device="cpu")
    clip = run(make_video([10, 200]), codec=codec)
    assert clip.tokens_NHW.shape == (2, 16, 16)


def test_a_failure_in_the_second_source_leaves_nothing(
    run: Callable[..., Clip], make_video: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(DataInvalid) as caught:
        run(make_video([10]), tmp_path / "broken.mp4")
    assert caught.value.code == "video.unreadable"
    assert list((tmp_path / "made").iterdir()) == []


def test_a_source_that_is_not_there_is_named_before_anything_is_read(
    run: Callable[..., Clip], make_video: Callable[..., Path], tmp_path: Path
) -> None:
    codec = Grey()
    with pytest.raises(DataInvalid) as caught:
        run(make_video([10]), tmp_path / "nowhere.mp4", codec=codec)
    assert caught.value.code == "video.missing"
    assert codec.shown == []


def test_a_folder_of_images_needs_its_rate(run: Callable[..., Clip], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "images").mkdir()
    image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.png")
    with pytest.raises(UsageError) as caught:
        run(tmp_path / "images")
    assert caught.value.code == "usage.hz_from"


def test_a_clip_that_exists_is_not_overwritten(
    run: Callable[..., Clip], make_video: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "made" / "clip").mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        run(make_video([10]))
    assert caught.value.code == "usage.output_exists"


def test_a_codec_of_another_grid_is_refused(
    run: Callable[..., Clip], make_video: Callable[..., Path]
) -> None:
    with pytest.raises(DataInvalid) as caught:
        run(make_video([10]), codec=Grey(side=64))
    assert caught.value.code == "codec.grid"
