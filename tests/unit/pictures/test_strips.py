"""Strips of a grade: the same windows for everybody, prediction below truth, small, and never at a grade's cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stand_ins import Flat, Listener

from harness.data.windows import Schedule
from harness.errors import DataInvalid
from harness.exam import Exam, Predicted, set_exam
from harness.pictures import strips
from harness.pictures.strips import MOST_BYTES, StripKeeper, shown_windows
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.results.store import Store

AR, TTF, FTF = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED, Regime.FULLY_TEACHER_FORCED


@pytest.fixture
def exam(make_clip: Callable[..., Path]) -> Exam:
    return set_exam(make_clip((226,) * 6), Schedule.DISJOINT, seed=5)


@pytest.fixture
def keeper(tmp_path: Path) -> StripKeeper:
    return StripKeeper(codec=Flat(), store=Store(tmp_path / "store"), grade_id="grade")


def result(exam: Exam, regime: Regime) -> Any:
    """Random predictions, two draws."""
    shape = (exam.num_windows, len(regime.targets()), 16, 16)
    draws = (np.random.default_rng(seed).integers(1 << 18, size=shape) for seed in (1, 2))
    return Predicted(regime=regime, draws=tuple(tokens.astype(np.uint32) for tokens in draws))


def test_the_data_decides_which_windows_are_shown() -> None:
    chosen = {digest: shown_windows(digest, 243).tolist() for digest in ("ab" * 32, "cd" * 32)}
    assert [len(set(windows)) for windows in chosen.values()] == [3, 3]
    assert chosen["ab" * 32] == shown_windows("ab" * 32, 243).tolist() == sorted(chosen["ab" * 32])
    assert chosen["ab" * 32] != chosen["cd" * 32]
    assert all(0 <= window < 243 for windows in chosen.values() for window in windows)


def test_every_window_can_be_chosen_and_fewer_are_all_shown() -> None:
    digests = [hashlib.sha256(bytes([n])).hexdigest() for n in range(200)]
    assert {window for digest in digests for window in shown_windows(digest, 9)} == set(range(9))
    assert shown_windows("ab" * 32, 2).tolist() == [0, 1]


@pytest.mark.parametrize("regime", [AR, TTF, FTF])
def test_the_first_draw_is_shown_below_the_truth_of_the_same_frames(
    exam: Exam, keeper: StripKeeper, regime: Regime, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes, draw = [], strips.draw_comic
    monkeypatch.setattr(
        strips, "draw_comic", lambda scene, look: (scenes.append(scene), draw(scene, look))[1]
    )
    graded, windows_B = result(exam, regime), np.array([1, 4])
    kept = keeper.keep([graded], exam, windows_B, Silent())[regime]
    assert [strip.window for strip in kept] == [1, 4]
    assert [strip.first_raw_frame for strip in kept] == [226, 4 * 226]
    first = regime.first_target()
    for window, scene in zip(windows_B, scenes, strict=True):
        truth_THW = np.stack([exam.truth.tokens_at(np.array([window]), t)[0] for t in range(16)])
        np.testing.assert_array_equal(scene.truth_TYXC, Flat().decode(truth_THW))
        assert scene.generated_TYXC is not None
        np.testing.assert_array_equal(scene.generated_TYXC[:first], scene.truth_TYXC[:first])
        predicted_TYXC = Flat().decode(graded.draws[0][window])
        np.testing.assert_array_equal(scene.generated_TYXC[first:], predicted_TYXC)
        assert scene.prompt_frames == first


def test_files_are_small_images_named_with_their_digest(
    exam: Exam, keeper: StripKeeper, tmp_path: Path
) -> None:
    kept = keeper.keep([result(exam, AR), result(exam, TTF)], exam, np.arange(3), Silent())
    every = [strip for regime in (AR, TTF) for strip in kept[regime]]
    assert len({strip.file for strip in every}) == 6
    for strip in every:
        path = tmp_path / "store" / strip.file
        assert path.parent == tmp_path / "store" / "grades" / "grade"
        assert path.stat().st_size <= MOST_BYTES
        assert hashlib.sha256(path.read_bytes()).hexdigest() == strip.sha256
        with Image.open(path) as image:
            assert image.size == (strip.width, strip.height)


def test_the_same_predictions_give_the_same_bytes(exam: Exam, keeper: StripKeeper) -> None:
    once, again = (keeper.keep([result(exam, TTF)], exam, np.array([2]), Silent()) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DataInvalid("the codec is broken", fix="mend it", code="codec.invalid"),
            "the codec is broken; mend it",
        ),
        (RuntimeError("CUDA out of memory"), "CUDA out of memory"),
        (MemoryError("too large"), "too large"),
    ],
)
def test_what_cannot_be_drawn_costs_no_grade_and_is_mentioned(
    exam: Exam, tmp_path: Path, error: Exception, words: str
) -> None:
    class Broken(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            raise error

    listener = Listener()
    keeper = StripKeeper(codec=Broken(), store=Store(tmp_path / "store"), grade_id="grade")
    assert keeper.keep([result(exam, TTF)], exam, np.array([0]), listener) == {}
    assert [words in note for note in listener.notes] == [True]


def test_a_full_disk_costs_no_grade(exam: Exam, keeper: StripKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    listener = Listener()
    assert keeper.keep([result(exam, TTF)], exam, np.array([0]), listener) == {}
    assert "No space left on device" in listener.notes[0]
