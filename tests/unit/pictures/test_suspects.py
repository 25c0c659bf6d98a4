"""Pictures of suspected sources: the frames that the record names, small, and never at a grade's cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stand_ins import Flat, Listener

from harness.data.clips import Clip, open_clip
from harness.data.truth import ClipTruth
from harness.pictures import suspects
from harness.pictures.suspects import MANY, MOST_BYTES, keep_pictures
from harness.progress import Silent
from harness.results.store import Store
from harness.retrieval.report import Source


@pytest.fixture
def clip(make_clip: Callable[..., Path]) -> Clip:
    return open_clip(make_clip((226, 226)))


@pytest.fixture
def tokens_BTHW() -> np.ndarray:
    return np.random.default_rng(3).integers(1 << 18, size=(2, 15, 16, 16), dtype=np.uint32)


@pytest.fixture
def keep(clip: Clip, tokens_BTHW: np.ndarray, tmp_path: Path) -> Callable[..., Any]:
    """Keeps pictures of these sources, where options do not say otherwise."""

    def run(sources: list[Source], **options: Any) -> Any:
        truth = ClipTruth(clip=clip, starts=np.array([0, 226]))
        given: dict[str, Any] = {
            "tokens_BTHW": tokens_BTHW, "truth": truth, "train": clip, "codec": Flat(),
            "store": Store(tmp_path / "store"), "grade_id": "grade", "progress": Silent(),
        }  # fmt: skip
        return keep_pictures(sources, **(given | options))

    return run


def source(window: int, frame: int, train_frame: int = 100) -> Source:
    return Source(
        window=window, frame=frame, train_segment=0, train_offset=train_frame, train_frame=train_frame,
        support=1.0, bits=9,
    )  # fmt: skip


def test_the_prediction_the_truth_and_the_training_frame_are_those_that_the_record_names(
    keep: Callable[..., Any], clip: Clip, tokens_BTHW: np.ndarray
) -> None:
    codec = Flat()
    (kept,) = keep([source(1, 4, train_frame=77)], codec=codec)
    assert (kept.window, kept.frame, kept.train_frame) == (1, 4, 77)
    expected = [tokens_BTHW[1, 3], clip.tokens_NHW[226 + 4 * 15], clip.tokens_NHW[77]]
    np.testing.assert_array_equal(codec.asked[0], np.stack(expected))


def test_files_are_small_images_named_with_their_digest(keep: Callable[..., Any], tmp_path: Path) -> None:
    for picture in keep([source(0, 1), source(0, 2), source(1, 1)]):
        content = (tmp_path / "store" / picture.file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == picture.sha256
        assert len(content) <= MOST_BYTES
        with Image.open(tmp_path / "store" / picture.file) as image:
            assert image.size == (picture.width, picture.height)


def test_the_strongest_are_drawn_in_their_order(keep: Callable[..., Any]) -> None:
    kept = keep([source(0, frame) for frame in range(15, 0, -1)])
    assert [picture.frame for picture in kept] == list(range(15, 0, -1))[:MANY]


def test_the_pictures_stand_side_by_side_in_the_order_of_their_captions(
    keep: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shades(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            shades_B = np.array([10, 120, 240], np.uint8)
            return np.broadcast_to(shades_B[:, None, None, None], (len(tokens_BHW), 256, 256, 3)).copy()

    captions: list[str] = []
    monkeypatch.setattr(
        suspects, "write", lambda _image, text, *, centre, **_: captions.append((centre[0], text))
    )
    (kept,) = keep([source(0, 1)], codec=Shades())
    with Image.open(tmp_path / "store" / kept.file) as image:
        pixels_YXC = np.asarray(image.convert("RGB"))
    assert [text for _, text in sorted(captions)] == ["prediction", "truth", "training frame 100"]
    middle_X = pixels_YXC[kept.height // 2 + 10, :, 0].astype(int)
    assert [int(np.median(third)) for third in np.array_split(middle_X, 3)] == pytest.approx(
        [10, 120, 240], abs=6
    )


@pytest.mark.parametrize("error", [RuntimeError("no memory on the GPU"), OSError("no space left")])
def test_what_cannot_be_drawn_costs_no_grade(keep: Callable[..., Any], error: Exception) -> None:
    class Broken(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            raise error

    listener = Listener()
    assert keep([source(0, 1)], codec=Broken(), progress=listener) == ()
    assert len(listener.notes) == 1
    assert str(error) in listener.notes[0]


def test_without_sources_nothing_is_decoded(keep: Callable[..., Any]) -> None:
    codec = Flat()
    assert keep([], codec=codec) == ()
    assert codec.asked == []
