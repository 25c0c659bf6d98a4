"""What leaves the store: rounded figures, cleaned text, and of the host no more than its policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.outcomes import outcomes
from harness.protocol.regimes import Regime
from leaderboard.figures import LARGEST
from leaderboard.plain_text import without_folders
from leaderboard.publishable import POLICY, publishable
from leaderboard.standings import standings


def decimals(value):
    return len(f"{value!r}".partition(".")[2])


def test_what_pictures_are_worth_is_rounded_draws_too(grades):
    report = publishable(grades.seen(0.123456789, psnr=20.123456789, draws=3))
    result = report.regimes[Regime.FULLY_AUTOREGRESSIVE]
    for found, places in (
        ((result.lpips, *result.lpips_ci, *result.lpips_by_frame), 4),
        ((result.psnr, *result.psnr_ci, *result.psnr_by_frame), 2),
        ((result.samples.lpips.mean, result.samples.lpips.best_of_k, *result.samples.lpips.mean_by_frame), 4),
        ((*result.samples.psnr.best_of_k_ci, *result.samples.psnr.best_of_k_by_frame), 2),
    ):
        assert all(decimals(value) <= places for value in found)
    assert result.ssim is None
    assert result.samples.ssim is None


def test_losses_of_single_frames_are_coarser_and_what_is_absurd_has_no_digits(grades):
    """An entry chooses its losses: every digit that is published is one it can write held-out data into."""
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    report = grades.graded(loss=9.123456)
    chosen = replace(
        report.regimes[regime],
        loss=1.2345678e30,
        loss_ci=(8.123456, 1.5e31),
        loss_by_frame=(9.123456, 1.7e31),
    )
    result = publishable(replace(report, regimes={regime: chosen})).regimes[regime]
    assert result.loss_by_frame == (9.12, LARGEST)
    assert (result.loss, result.loss_ci) == (2 * LARGEST, (8.1235, 2 * LARGEST))


def test_of_a_sandbox_its_policy_is_told_and_nothing_else(grades):
    details = {
        "memory": "64.0 GiB",
        "gpus": "GPU-1f2e,GPU-3c4d",
        "path": "/srv/private",
        "base_image": "internal/x",
    }
    origin = publishable(
        grades.graded(
            provenance={"sandbox_details": details, "limits": {"a": 1.0}, "durations_s": {"b": 2.0}}
        )
    ).provenance
    assert origin.sandbox_details == {"memory": "64.0 GiB", "gpus": "2"}
    assert (origin.limits, origin.durations_s) == ({}, {})
    assert publishable(
        grades.graded(provenance={"sandbox_details": {"gpus": "none"}})
    ).provenance.sandbox_details == {"gpus": "none"}
    assert set(origin.sandbox_details) <= set(POLICY)


def test_a_failure_is_told_by_the_table_and_loses_its_own_words(grades):
    """The control: `in_fixed_words`."""
    failure = publishable(grades.failed(message="I wrote this myself")).failure
    row = outcomes()["guest.closed"]
    assert (failure.message, failure.fix, failure.code) == (row.cause, row.next_step, row.code)


def test_a_code_that_the_table_does_not_have_is_not_published(grades):
    failed = grades.failed(code="guest.777123")
    failure = publishable(failed).failure
    assert failure.code == standings([failed]).failed[0].code == "unlisted"
    probe = (
        publishable(grades.graded(probe_failure="guest.777123"))
        .regimes[Regime.TEMPORALLY_TEACHER_FORCED]
        .state_probe
    )
    assert probe.failure == "unlisted"


def test_no_duration_is_published_exactly(grades):
    """A grade's id says when it began, so that when it ended is its duration: the controls are `day_of` and
    `two_figures`."""
    shown = publishable(grades.graded(provenance={"build_s": 12.3456}))
    assert shown.finished_at == "2025-01-01T00:00:00+00:00"
    assert shown.provenance.build_s == 12.0
    failed = standings([grades.failed()])
    assert (failed.failed[0].finished_at, failed.latest) == (shown.finished_at, shown.finished_at)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/root/.cache/wmc/lpips/alexnet.pth cannot be read", "alexnet.pth cannot be read"),
        ("put it at /srv/a b/c.npz, then again", "put it at a b/c.npz, then again"),
        ("fetch the weights: wmc data pull --lpips", "fetch the weights: wmc data pull --lpips"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("train/val and 1/2", "train/val and 1/2"),
        ("two\nlines\u202e", "two lines"),
    ],
)
def test_our_own_sentences_name_files_without_the_folders_of_this_host(text, shown):
    assert without_folders(text) == shown
