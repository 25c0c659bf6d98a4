"""What an entry's tokens look like: the figures, whatever the batches were, and what is said when there are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import Flat

from harness.data.windows import Schedule
from harness.errors import DataInvalid
from harness.exam import Exam, Result, examine, set_exam
from harness.pictures import viewer as pictures
from harness.pictures.viewer import Blind, Pictures, Viewer, open_viewer
from harness.progress import Silent
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.regimes import Regime
from harness.scoring import perceptual
from harness.scoring.perceptual import EXACT_PSNR_DB, Compare, Metric, Metrics, psnr

AR, TTF = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED
LIMITS = Limits(start_s=10, reply_s=20, regime_s=120)


def mistakes(images_BYXC: np.ndarray, true_BYXC: np.ndarray) -> np.ndarray:
    """Share of values that are wrong: something whose right answer a test can count itself."""
    return (images_BYXC != true_BYXC).mean(axis=(1, 2, 3))


@pytest.fixture
def sit(guest_channel: Any) -> Callable[..., Result]:
    def run(exam: Exam, make_predictor: Any, regime: Regime = TTF) -> Result:
        with guest_channel(make_predictor) as channel:
            conversation = Conversation(channel=channel, regime=regime, limits=LIMITS)
            return examine(conversation, exam, ready_by=time.monotonic() + 10, progress=Silent())

    return run


@pytest.fixture
def exam(make_clip: Callable[..., Path]) -> Callable[..., Exam]:
    clip = make_clip((226, 452, 226, 226), hold=20)
    return lambda samples=1: set_exam(clip, Schedule.DISJOINT, seed=5, samples=samples)


@pytest.fixture
def viewer(tmp_path: Path) -> Callable[..., Viewer]:
    def make(compare: Mapping[Metric, Compare], codec: Any = None, **missing: str) -> Viewer:
        metrics = Metrics(compare=compare, missing={Metric(name): why for name, why in missing.items()})
        return Viewer(codec=codec or Flat(patch=4), metrics=metrics, decoded=tmp_path / "decoded")

    return make


def true_tokens(exam: Exam, targets: range) -> np.ndarray:
    windows_B = np.arange(exam.num_windows)
    return np.stack([exam.truth.tokens_at(windows_B, t) for t in targets], axis=1)


@pytest.mark.parametrize("regime", [AR, TTF])
def test_every_prediction_is_compared_with_the_truth_of_its_own_frame(
    exam: Any, sit: Any, viewer: Any, last_frame: type, regime: Regime
) -> None:
    questions = exam()
    result = sit(questions, last_frame, regime)
    seen = viewer({Metric.LPIPS: mistakes}).look(result.predicted, questions, Silent())
    wrong = (result.sheets[0].tokens_BTHW & 255) != (true_tokens(questions, regime.targets()) & 255)
    score = seen.scores[Metric.LPIPS]
    assert 0 < score.mean < 1
    assert score.mean == pytest.approx(wrong.mean())
    assert score.by_frame == pytest.approx(wrong.mean(axis=(0, 2, 3)))
    assert score.ci[0] < score.mean < score.ci[1]
    assert seen.sampled == {}


def test_a_perfect_prediction_looks_like_the_truth(
    exam: Any, sit: Any, viewer: Any, last_frame: type
) -> None:
    questions = exam()
    result = sit(questions, last_frame)
    result.sheets[0].tokens_BTHW[:] = true_tokens(questions, TTF.targets())
    seen = viewer({Metric.PSNR: psnr}).look(result.predicted, questions, Silent())
    assert seen.scores[Metric.PSNR].mean == EXACT_PSNR_DB
    assert set(seen.scores[Metric.PSNR].by_frame) == {EXACT_PSNR_DB}


def test_the_figures_do_not_depend_on_an_entrys_batches(
    exam: Any, sit: Any, viewer: Any, last_frame: type
) -> None:
    def seen(max_batch: int) -> Pictures:
        predictor = type("Other", (last_frame,), {"max_batch": max_batch})
        return viewer({Metric.PSNR: psnr, Metric.SSIM: mistakes}).look(
            sit(exam(), predictor).predicted, exam(), Silent()
        )

    assert seen(1) == seen(2) == seen(64)


def test_a_metric_that_is_missing_changes_no_other_figure_and_is_named(
    exam: Any, sit: Any, viewer: Any, last_frame: type
) -> None:
    result = sit(exam(), last_frame)
    both = viewer({Metric.LPIPS: mistakes, Metric.PSNR: psnr}).look(result.predicted, exam(), Silent())
    one = viewer({Metric.PSNR: psnr}, lpips="no weights").look(result.predicted, exam(), Silent())
    assert one.scores == {Metric.PSNR: both.scores[Metric.PSNR]}
    assert one.missing == {Metric.LPIPS: "no weights"}


def test_several_draws_have_a_mean_and_a_best(exam: Any, sit: Any, viewer: Any, last_frame: type) -> None:
    class Draws(last_frame):  # type: ignore[misc]
        rng = np.random.default_rng(0)

        def predict(self) -> Any:
            logits, tokens = super().predict()
            keep = self.rng.random((len(tokens), 1, 1)) < 0.5
            return logits, np.where(keep, tokens, tokens ^ 255)

    questions = exam(3)
    result = sit(questions, Draws, AR)
    seen = viewer({Metric.LPIPS: mistakes, Metric.PSNR: psnr}).look(result.predicted, questions, Silent())
    truth = true_tokens(questions, AR.targets()) & 255
    wrong_KB = np.stack(
        [((sheet.tokens_BTHW & 255) != truth).mean(axis=(1, 2, 3)) for sheet in result.sheets]
    )
    lpips, first = seen.sampled[Metric.LPIPS], seen.scores[Metric.LPIPS]
    assert first.mean == pytest.approx(wrong_KB[0].mean())
    assert lpips.mean == pytest.approx(wrong_KB.mean())
    assert lpips.best_of_k == pytest.approx(wrong_KB.min(axis=0).mean())
    assert lpips.best_of_k < lpips.mean
    assert seen.sampled[Metric.PSNR].best_of_k > seen.sampled[Metric.PSNR].mean


def test_truth_is_decoded_once_for_all_regimes_and_grades(
    exam: Any, sit: Any, viewer: Any, last_frame: type
) -> None:
    codec = Flat(patch=4)
    results = [sit(exam(), last_frame, regime) for regime in (AR, TTF)]
    windows = exam().num_windows
    for _ in range(2):
        for result in results:
            viewer({Metric.PSNR: psnr}, codec).look(result.predicted, exam(), Silent())
    assert codec.decoded == windows * 15 + 2 * windows * (8 + 15)


def test_nothing_is_decoded_where_nothing_can_be_measured(
    exam: Any, sit: Any, viewer: Any, last_frame: type, tmp_path: Path
) -> None:
    missing = {"lpips": "a", "psnr": "b", "ssim": "b"}
    seen = viewer({}, **missing).look(sit(exam(), last_frame).predicted, exam(), Silent())
    assert {metric.value: why for metric, why in seen.missing.items()} == missing
    assert not (tmp_path / "decoded").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            DataInvalid("the checkpoint is odd", fix="fetch it again", code="codec.invalid"),
            "the checkpoint is odd; fetch it again",
        ),
        (RuntimeError("CUDA out of memory\nTried to allocate"), "RuntimeError: CUDA out of memory"),
    ],
)
def test_decoding_that_fails_costs_the_pictures_and_not_the_grade(
    exam: Any, sit: Any, viewer: Any, last_frame: type, error: Exception, words: str
) -> None:
    class Fails(Flat):
        def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
            raise error

    seen = viewer({Metric.PSNR: psnr}, Fails()).look(sit(exam(), last_frame).predicted, exam(), Silent())
    assert seen.scores == {}
    assert set(seen.missing) == set(Metric)
    for reason in seen.missing.values():
        assert reason.endswith(words)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), MemoryError("no"), OSError("no")])
def test_lpips_that_cannot_be_opened_costs_no_other_metric(
    exam: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(perceptual.Lpips, "load", fail)
    monkeypatch.setattr(pictures, "open_codec", lambda *_, **__: Flat(patch=4))
    opened = open_viewer(exam().clip.folder, codec=None, lpips_weights=tmp_path, decoded=tmp_path)
    assert isinstance(opened, Viewer)
    assert opened.missing == {Metric.LPIPS: f"{type(error).__name__}: {error}"}
    assert set(opened.metrics.compare) == {Metric.PSNR, Metric.SSIM}


def test_without_a_codec_every_metric_is_missing_for_that_reason(exam: Any, tmp_path: Path) -> None:
    blind = open_viewer(exam().clip.folder, codec=None, lpips_weights=tmp_path, decoded=tmp_path / "decoded")
    assert isinstance(blind, Blind)
    assert "magvit2.ckpt" in blind.reason
    assert blind.facts == {}
