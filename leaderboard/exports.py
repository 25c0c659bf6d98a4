"""The standings, and each grade, as JSON objects for machines."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from harness.results.chain import Head
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.scoring.perceptual import Metric
from harness.spec import CHALLENGE
from leaderboard.grade_pages import GradePage
from leaderboard.measured import Measured, measured
from leaderboard.open_rows import OpenRow
from leaderboard.prize import Claim, Crossing
from leaderboard.references import PUBLISHED
from leaderboard.retrieval_exports import in_full, in_short
from leaderboard.sampling import SamplingBoard, SamplingRow
from leaderboard.standings import Board, Row, Standings

FORMAT = 1
"""Raised when a key of the JSON object changes its meaning or goes."""


def to_json(standings: Standings, chain: Head | None = None) -> dict[str, Any]:
    """The standings as plain dictionaries, lists, numbers and texts; losses in nats per token.

    `chain` is the end of the store's chain: once it is published, nothing before it changes unseen.
    """
    return {
        "format": FORMAT,
        "challenge": {
            "spec_version": CHALLENGE.version,
            "unit": "nats per token",
            "prize_loss": CHALLENGE.prize_loss,
            "uniform_loss": CHALLENGE.uniform_loss,
        },
        "chain": chain and asdict(chain),
        "latest_grade": standings.latest,
        "boards": [_board(board) for board in standings.boards],
        "sampling": [_sampling_board(board) for board in standings.sampling],
        "without_pictures": [asdict(each) for each in standings.unseen],
        "open_protocol": [_open_row(row) for row in standings.opened],
        "published": [asdict(reference) for reference in PUBLISHED],
        "failed": [asdict(failed) for failed in standings.failed],
        "no_announced_improvement": [asdict(each) for each in standings.unannounced],
        "not_ranked": standings.not_ranked,
    }


def grade_to_json(page: GradePage) -> dict[str, Any]:
    """One grade as its page shows it; losses in nats per token."""
    record = page.report.to_json()
    del record["entry"]["email_sha256"]  # empty; its name alone would say that there is one to be had
    for name in ("limits", "durations_s", "admission"):
        del record["provenance"][name]
    for result in filter(None, record["regimes"].values()):
        del result["strips"], result["loss_by_window"]
        probe = result["state_probe"]
        for name in ("mean_gain", "largest_change"):
            probe[name] = None if math.isnan(probe[name]) else probe[name]
    shown = page.retrieval
    return {
        "format": FORMAT,
        **record,
        "announced": page.announced,
        "withdrawn": page.struck
        and {"at": page.struck.at, "reason": page.struck.reason, "grade_id": page.struck.grade_id},
        "prize": page.claim and _claim(page.claim),
        "retrieval": page.badge and in_full(page.badge, shown.found if shown else None),
        "retrieval_pictures": [
            {"window": each.window, "frame": each.frame, "train_frame": each.train_frame, "file": each.path}
            for each in (shown.pictures if shown else ())
        ],
        "marks": [mark.value for mark in page.marks],
        "places": [asdict(place) for place in page.places],
        "measured_val_loss": page.measured_val_loss,
        "loss_by_position": {regime.value: drawn.losses_HW for regime, drawn in page.maps.items()},
        "pictures": [
            {"regime": sample.regime.value, "window": sample.window, "file": sample.path}
            for sample in page.samples
        ],
    }


def _board(board: Board) -> dict[str, Any]:
    contest = board.contest
    return {
        "data_name": board.data_name,
        "data_sha256": contest.data_sha256,
        "schedule": contest.schedule,
        "windows": contest.windows,
        "spec_version": contest.spec_version,
        "first_below_prize_loss": board.crossing and _crossing(board.crossing),
        "rows": [_row(row) for row in board.rows],
    }


def _crossing(crossing: Crossing) -> dict[str, Any]:
    return {
        "grade_id": crossing.report.grade_id,
        "user": crossing.report.entry.user_name,
        "entry": crossing.report.entry.entry_name,
        "finished_at": crossing.report.finished_at,
        "counts_from": crossing.day,
        "loss": crossing.loss,
        "loss_ci": list(crossing.loss_ci),
        "marks": [mark.value for mark in crossing.marks],
    }


def _claim(claim: Claim) -> dict[str, Any]:
    """Of a loss below the prize line."""
    return {
        "barred_by": [bar.value for bar in claim.bars],
        "first_below_prize_loss": claim.first and claim.first.report.grade_id,
    }


def _row(row: Row) -> dict[str, Any]:
    report = row.report
    return {
        "rank": row.rank,
        "band": row.band and [row.band.first, row.band.last],
        "user": report.entry.user_name,
        "entry": report.entry.entry_name,
        "description": report.entry.description,
        "parameters": report.entry.parameters,
        "training_flops": report.entry.training_flops,
        "external_data": list(report.entry.external_data),
        "claimed_val_loss": report.entry.claimed_val_loss,
        "measured_val_loss": row.measured_val_loss,
        "eligible_for_prize": report.entry.eligible_for_prize,
        "prize": row.claim and _claim(row.claim),
        "origin": row.origin.value,
        "causal": report.entry.causal,
        "marks": [mark.value for mark in row.marks],
        "retrieval": in_short(row.badge, report.retrieval),
        "finished_at": report.finished_at,
        "grade_id": report.grade_id,
        "regimes": {regime.value: result and _result(result) for regime, result in report.regimes.items()},
        "provenance": _provenance(report),
    }


def _sampling_board(board: SamplingBoard) -> dict[str, Any]:
    return {
        "data_name": board.data_name,
        **asdict(board.contest),
        "codec": board.codec,
        "ranked_by": Metric.LPIPS.value if board.is_ranked else None,
        "why_unranked": list(board.why_unranked),
        "rows": [_sampling_row(row) for row in board.rows],
    }


def _sampling_row(row: SamplingRow) -> dict[str, Any]:
    report = row.report
    figures = {metric.value: measured(row.result, metric) for metric in Metric}
    return {
        "rank": row.rank,
        "band": row.band and [row.band.first, row.band.last],
        "user": report.entry.user_name,
        "entry": report.entry.entry_name,
        "marks": [mark.value for mark in row.marks],
        "retrieval": {"verdict": row.badge.value},
        "finished_at": report.finished_at,
        "grade_id": report.grade_id,
        "first_frame": row.result.first_frame,
        "draws": row.result.samples.draws if row.result.samples else 1,
        **{name: found and _measured(found) for name, found in figures.items()},
        "temporally_teacher_forced_lpips": row.lpips_forced and row.lpips_forced.mean,
    }


def _open_row(row: OpenRow) -> dict[str, Any]:
    report, found = row.report, row.found
    rescored = found.rescored
    return {
        "data_name": report.provenance.data_name,
        "data_sha256": report.provenance.data_sha256,
        "user": report.entry.user_name,
        "entry": report.entry.entry_name,
        "marks": [mark.value for mark in row.marks],
        "self_reported": dict(found.self_reported),
        "rescored": rescored and {"loss": rescored.loss, "token_accuracy": rescored.token_accuracy},
        "finished_at": report.finished_at,
        "grade_id": report.grade_id,
        "provenance": _provenance(report),
    }


def _measured(found: Measured) -> dict[str, Any]:
    return {
        "mean": found.mean,
        "ci": list(found.ci),
        "by_frame": list(found.by_frame),
        "best_of_k": found.best_of_k,
        "best_of_k_ci": found.best_of_k_ci and list(found.best_of_k_ci),
    }


def _result(result: RegimeReport) -> dict[str, Any]:
    return {
        "loss": result.loss,
        "loss_ci": list(result.loss_ci),
        "token_accuracy": result.token_accuracy,
        **{metric.value: getattr(result, metric.value) for metric in Metric},
        "loss_by_frame": list(result.loss_by_frame),
        "first_frame": result.first_frame,
        "windows": result.windows,
        "seconds_per_frame": result.seconds_per_frame,
        "reply_s_median": result.reply_s_median,
        "reply_s_p95": result.reply_s_p95,
        "tokens_file": result.tokens_file,
        "tokens_sha256": result.tokens_sha256,
    }


def _provenance(report: GradeReport) -> dict[str, Any]:
    """What makes the grade repeatable, without the host's own policy and clocks."""
    provenance = report.provenance
    return {
        "submission_sha256": provenance.submission_sha256,
        "entry_tree_sha256": provenance.entry_tree_sha256,
        "base_image": provenance.base_image,
        "sandbox": provenance.sandbox,
        "seed": provenance.seed,
        "harness_version": provenance.harness_version,
        "git_commit": provenance.git_commit,
        "spec_version": provenance.spec_version,
        "gate_version": provenance.gate_version,
    }
