"""Grades to be looked at in a browser, with all that a page can show."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from harness.results import withdrawals
from harness.results.regime_report import SamplesReport, Strip
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.retrieval.report import (
    EntryFile,
    EntryScan,
    NearDuplicates,
    RetrievalReport,
    Source,
    SourcePicture,
    Thresholds,
    TrainGap,
    TrainingRun,
    Verdict,
)
from harness.scoring.perceptual_scores import SampledScore
from leaderboard.disclosure import disclose
from leaderboard.publish import publish
from leaderboard.samples import open_gallery


def _regime(loss: float, first_frame: int, lpips: float | None) -> dict[str, Any]:
    return {
        "loss": loss,
        "loss_ci": [loss - 0.05, loss + 0.05],
        "token_accuracy": 0.0312,
        "loss_by_frame": [loss + 0.01 * frame for frame in range(first_frame, 16)],
        "first_frame": first_frame,
        "windows": 243,
        "seconds_per_frame": 0.031,
        "reply_s_median": 0.02,
        "reply_s_p95": 0.03,
        "batch": 16,
        "logits_dtype": "<f4",
        "state_probe": {
            "windows": 13, "mean_gain": 0.5, "largest_change": 0.5, "carried_state": True,
            "depends_on_neighbours": True,
        },
        "tokens_file": "grades/a/temporally_teacher_forced.npz",
        "tokens_sha256": "ab" * 32,
        **_pictures(lpips, 16 - first_frame),
    }  # fmt: skip


def _pictures(lpips: float | None, frames: int) -> dict[str, Any]:
    """What pictures are worth that get worse with every frame; without LPIPS, nothing of them."""
    if lpips is None:
        return {}
    by_frame = [lpips + 0.01 * frame for frame in range(frames)]
    mean = sum(by_frame) / frames
    return {
        "lpips": mean, "lpips_ci": [mean - 0.02, mean + 0.02], "lpips_by_frame": by_frame,
        "psnr": 20 - lpips, "psnr_ci": [19 - lpips, 21 - lpips], "psnr_by_frame": [20 - lpips] * frames,
        "ssim": 0.5, "ssim_ci": [0.4, 0.6], "ssim_by_frame": [0.5] * frames,
    }  # fmt: skip


def _grade(
    number: int, *, loss: float, lpips: float | None = None, failed: bool = False, **entry: Any
) -> GradeReport:
    """A grade with every column filled and every badge."""
    failure = {"code": "guest.closed", "blame": "entry", "message": "", "fix": ""} if failed else None
    facts = {
        "user_name": "ada", "entry_name": f"entry {number}", "description": "Counts.", "training_flops": 1.5e19,
        "external_data": ["DINOv2"], "claimed_val_loss": 8.5, "causal": True,
    }  # fmt: skip
    provenance = {
        "harness_version": "0.1.0", "git_commit": "0" * 40, "spec_version": "1", "gate_version": 1, "seed": 0,
        "schedule": "upstream", "sandbox": "process", "sandbox_details": {}, "limits": {}, "base_image": None,
        "submission_sha256": "cd" * 32, "entry_tree_sha256": "ef" * 32, "entry_bytes": 1, "data_name": "val",
        "data_sha256": "12" * 32, "order_leaks": True, "durations_s": {}, "codec": "patch",
        "codec_sha256": "34" * 32, "lpips_sha256": lpips and "56" * 32,
    }  # fmt: skip
    scores = {kind.value: None if failed else _regime(loss, kind.first_target(), lpips) for kind in Regime}
    return GradeReport.from_json(
        {
            "grade_id": f"20250101-000000-{number:08x}",
            "finished_at": f"2025-01-{number:02}T00:00:00+00:00",
            "status": "failed" if failed else "graded",
            "entry": facts | entry,
            "regimes": scores,
            "failure": failure,
            "provenance": provenance,
        }
    )


@pytest.fixture(scope="session")
def grade() -> Callable[..., GradeReport]:
    return _grade


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, grade: Callable[..., GradeReport]) -> Path:
    """A site with everything on it: rankings, pictures, maps, hostile names, a failure."""
    store = Store(tmp_path_factory.mktemp("store"))
    hostile = '"><script>alert(1)</script><img src=https://evil.example/x>'
    made = [
        grade(1, loss=9.2, lpips=0.31, entry_name="Zebra", user_name="ada"),
        grade(2, loss=7.9, lpips=0.25, entry_name="apple", user_name="bob"),
        grade(3, loss=8.5, lpips=0.21, entry_name="mango", user_name="carol", claimed_val_loss=None),
        grade(4, loss=12.9, lpips=None, entry_name=hostile, user_name="W" * 32, description=hostile * 20),
        grade(5, loss=9, failed=True, entry_name=hostile, user_name="dave"),
        grade(7, loss=8.1, lpips=0.29, entry_name="Undone", user_name="frank"),
        grade(6, loss=1.2, lpips=0.05, entry_name="seeker", user_name="erin", forbidden_reference=True),
    ]
    made[2] = _asked_again(made[2])
    reports = [_with_artifacts(report, store, shade=40 * number) for number, report in enumerate(made)]
    reports = [_of_a_zip(number, report) for number, report in enumerate(reports)]
    reports[0] = replace(reports[0], retrieval=_honest(Verdict.CLEAR))
    reports[2] = replace(reports[2], retrieval=_uncalibrated())
    reports[3] = replace(reports[3], retrieval=_honest(Verdict.REVIEW, hostile))
    reports[6] = replace(reports[6], retrieval=_copied(reports[6].grade_id, store))
    withdraw_in(store, reports[5])
    folder = tmp_path_factory.mktemp("site")
    publish(
        reports,
        folder,
        open_gallery(reports, store.folder, disclose(reports)),
        store=store.folder,
    )
    return folder


def withdraw_in(store: Store, report: GradeReport) -> None:
    """Take a grade back; a store whose records were never appended knows of none, so the decision is written here."""
    with withdrawals._LEDGER.open(store) as entries:
        entries.add(
            at="2025-02-03T00:00:00+00:00",
            decision=withdrawals.Move.WITHDRAWN.value,
            grade_id=report.grade_id,
            by_whom="rita",
            reason="Scored on the wrong data.",
        )


def _with_artifacts(report: GradeReport, store: Store, *, shade: int) -> GradeReport:
    """The same grade with the losses of its tokens and a picture of each regime in the store."""
    rng = np.random.default_rng(shade)
    regimes = dict(report.regimes)
    for regime, result in report.regimes.items():
        if result is None:
            continue
        shape = (2, len(result.loss_by_frame), 16, 16)
        nats = rng.uniform(6, 10, shape) + np.linspace(0, 3, 16)[:, None]
        file, sha256 = store.save_tokens(
            report.grade_id, regime.value, nats_BTHW=nats, tokens_BTHW=np.zeros(shape, np.uint32),
            starts_B=np.arange(2),
        )  # fmt: skip
        picture, digest = store.save_artifact(report.grade_id, f"{regime.value}.png", _png(regime, shade))
        strip = Strip(window=5, first_raw_frame=75, file=picture, sha256=digest, width=1602, height=253)
        regimes[regime] = replace(result, tokens_file=file, tokens_sha256=sha256, strips=(strip,))
    return replace(report, regimes=regimes)


THRESHOLDS = Thresholds(
    delta_max=0.312, delta_sd=0.061, delta_copied=0.495, window_delta=0.92, window_rate=0.008, windows_p=0.001,
    train_gap=0.214, near_bits=412, near_share=0.0011, honest=7,
)  # fmt: skip


def _honest(verdict: Verdict, name: str = "weights/model.safetensors") -> RetrievalReport:
    """Everything measured, of an entry that copies nothing; `name` is of its files."""
    rng = np.random.default_rng(5)
    return RetrievalReport(
        verdict=verdict,
        reasons=() if verdict is Verdict.CLEAR else (f"what {name} says of itself",),
        delta=0.082,
        delta_ci=(0.031, 0.127),
        delta_by_window=tuple(rng.normal(0.08, 0.25, 243).tolist()),
        windows_flagged=1,
        windows_p=0.41,
        train_gap=TrainGap(
            gap=0.0712, gap_ci=(-0.021, 0.151), heldout_loss=8.91, train_loss=8.84, windows=243, flipped_bits=0.08
        ),
        near_duplicates=NearDuplicates(bits_quantiles=(390, 512, 801, 1240, 1790), frames=3645, share=0.0003),
        path_share=0.021,
        sources=(_source(3, 7, 0.41), _source(18, 2, 0.38)),
        entry_scan=EntryScan(
            size_bytes=141_000_000, num_files=9, sent_bytes=141_000_000, parameters=3.5e7,
            largest=(EntryFile(path=name, size_bytes=140_100_000), EntryFile(path="evaluate.py", size_bytes=9_104)),
            runs=(),
        ),
        thresholds=THRESHOLDS,
        references=("transition", "neighbourhood", "a private entry"),
        panel_sha256="7a" * 32,
        train_name="train_v1.1",
        train_sha256="7b" * 32,
        train_frames=10_800_000,
        engine="numba",
        evidence_file="grades/x/retrieval.npz",
        evidence_sha256="7c" * 32,
    )  # fmt: skip


def _uncalibrated() -> RetrievalReport:
    """The same without a panel."""
    found = _honest(Verdict.UNCALIBRATED)
    return replace(
        found,
        reasons=("There is no panel of honest entries to compare with: nothing was judged.",),
        windows_flagged=None,
        windows_p=None,
        near_duplicates=NearDuplicates(bits_quantiles=(390, 512, 801, 1240, 1790), frames=3645),
        thresholds=None,
        panel_sha256=None,
    )


def _copied(grade_id: str, store: Store) -> RetrievalReport:
    """Everything measured, of an entry that seeks ahead in the training set."""
    rng = np.random.default_rng(6)
    honest = _honest(Verdict.COPIED)
    kept = [
        (window, *store.save_artifact(grade_id, f"s{window}.png", _side_by_side(window)))
        for window in range(6)
    ]
    return replace(
        honest,
        reasons=(
            "delta +2.614 is above +0.495, and the lower end of its interval above +0.312",
            "214 of 243 windows are flagged, of which 2 are to be expected",
        ),
        delta=2.614,
        delta_ci=(2.402, 2.811),
        delta_by_window=tuple(np.concatenate([rng.normal(2.9, 0.6, 214), rng.normal(0.2, 0.3, 29)]).tolist()),
        windows_flagged=214,
        windows_p=1e-300,
        near_duplicates=NearDuplicates(bits_quantiles=(0, 12, 88, 301, 677), frames=3645, share=0.183),
        path_share=0.874,
        sources=tuple(_source(window, 1 + window % 15, 31.5 - window) for window in range(30)),
        pictures=tuple(
            SourcePicture(
                window=window, frame=1 + window % 15, train_frame=_source(window, 1, 1).train_frame, file=file,
                sha256=sha256, width=588, height=221,
            )
            for window, file, sha256 in kept
        ),
        entry_scan=replace(
            honest.entry_scan, size_bytes=562_000_000,
            largest=(EntryFile(path="data/frames.bin", size_bytes=421_000_000),),
            runs=(
                TrainingRun(
                    path="data/frames.bin", offset=0, layout="packed18", frames=730_000, train_frame=0
                ),
            ),
        ),
    )  # fmt: skip


def _source(window: int, frame: int, support: float) -> Source:
    return Source(
        window=window, frame=frame, train_segment=1187 + window, train_offset=30 * window,
        train_frame=40_000 + 977 * window, support=support, bits=210 + 13 * window,
    )  # fmt: skip


def _side_by_side(shade: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    image = Image.new("RGB", (588, 221), (90, 90, 90))
    for left in (0, 198, 396):
        image.paste((40 * shade, 60 + left // 3, 90), (left, 29, left + 192, 221))
    image.save(file, "PNG")
    return file.getvalue()


def _of_a_zip(number: int, report: GradeReport) -> GradeReport:
    """A grade of a submission of its own."""
    return replace(report, provenance=replace(report.provenance, submission_sha256=f"{number:064x}"))


def _asked_again(report: GradeReport) -> GradeReport:
    """The same grade with three draws of the frames it imagines."""
    regime = Regime.FULLY_AUTOREGRESSIVE
    result = report.regimes[regime]
    if result is None or result.lpips is None or result.lpips_ci is None or result.lpips_by_frame is None:
        raise ValueError("without pictures there is nothing to ask for again")
    lpips = SampledScore(
        mean=result.lpips, mean_ci=result.lpips_ci, mean_by_frame=result.lpips_by_frame,
        best_of_k=result.lpips - 0.03, best_of_k_ci=result.lpips_ci,
        best_of_k_by_frame=tuple(value - 0.03 for value in result.lpips_by_frame),
    )  # fmt: skip
    samples = SamplesReport(
        draws=3, loss_mean=result.loss, token_accuracy_mean=0.03, tokens_files=("x",) * 3,
        tokens_sha256=("ab" * 32,) * 3, lpips=lpips,
    )  # fmt: skip
    return replace(report, regimes={**report.regimes, regime: replace(result, samples=samples)})


def _png(regime: Regime, shade: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (1602, 253), (shade, 90, 30 * len(regime.value) % 255)).save(file, "PNG")
    return file.getvalue()
