"""The curves of a grade's page: its losses by frame, and its pictures by horizon beside the other entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.scoring.perceptual import Metric
from leaderboard.curves import Chart, Curve, Part, chart
from leaderboard.figures import FULL, decimals_of
from leaderboard.measured import Measured, measured
from leaderboard.sampling import SamplingBoard, SamplingRow
from leaderboard.tracks import IMAGINED

MOST_RIVALS = 8
"""Other entries that a chart shows, the best ones; more lines hide each other."""

TITLES = {Metric.LPIPS: "LPIPS", Metric.PSNR: "PSNR", Metric.SSIM: "SSIM"}
_UNITS = {Metric.LPIPS: "distance", Metric.PSNR: "dB", Metric.SSIM: "similarity, at most 1"}
_PARTS = {
    Regime.TEMPORALLY_TEACHER_FORCED: Part.OWN,
    Regime.FULLY_AUTOREGRESSIVE: Part.OWN_SECOND,
    Regime.FULLY_TEACHER_FORCED: Part.OWN_THIRD,
}

Field = Mapping[Metric, tuple[tuple[SamplingRow, Measured], ...]]
"""The entries of a board by each metric, the best first."""

Rivals = Mapping[str, Field]
"""The field that a grade stands in, by its id."""


def rivals_of(boards: Iterable[SamplingBoard]) -> Rivals:
    """Who is compared with whom: the entries of one sampling board, each measured as the others.

    What has no rank is nobody's rival.
    """
    rivals: dict[str, Field] = {}
    for board in boards:
        field = {metric: _best_first(board, metric) for metric in Metric}
        rivals |= {row.report.grade_id: field for row in board.rows}
    return rivals


def _best_first(board: SamplingBoard, metric: Metric) -> tuple[tuple[SamplingRow, Measured], ...]:
    known = [(row, found) for row in board.contenders if (found := measured(row.result, metric))]
    known.sort(key=lambda item: item[1].mean, reverse=metric.higher_is_better)
    return tuple(known)


def loss_chart(report: GradeReport) -> Chart | None:
    """Its losses by frame, a curve for each regime."""
    curves = [
        Curve(
            name=regime.in_words.capitalize(),
            part=_PARTS[regime],
            first_frame=result.first_frame,
            values=result.loss_by_frame,
        )
        for regime in sorted(DISCLOSURE_ORDER, key=list(_PARTS).index)
        if (result := report.regimes.get(regime))
    ]
    if not curves:
        return None
    return chart(
        curves,
        name="loss",
        title="Loss",
        unit="nats per token",
        better="lower is better",
        decimals=decimals_of(curves[0].values[0], FULL.frame),
    )


def metric_charts(report: GradeReport, rivals: Rivals) -> tuple[Chart, ...]:
    """LPIPS, PSNR and SSIM of the frames it imagines, as far as they were measured."""
    field = rivals.get(report.grade_id, {})
    charts = (_metric_chart(report, metric, field.get(metric, ())) for metric in Metric)
    return tuple(drawn for drawn in charts if drawn)


def _metric_chart(
    report: GradeReport, metric: Metric, field: Sequence[tuple[SamplingRow, Measured]]
) -> Chart | None:
    result = report.regimes.get(IMAGINED)
    own = measured(result, metric)
    if result is None or own is None:
        return None
    return chart(
        [*_own_curves(result, own), *_rival_curves(report, field)],
        name=metric.value,
        title=TITLES[metric],
        unit=_UNITS[metric],
        better="higher is better" if metric.higher_is_better else "lower is better",
        decimals=decimals_of(own.mean, FULL.metric[metric]),
    )


def _own_curves(result: RegimeReport, own: Measured) -> list[Curve]:
    """Its mean, and the best of its draws; one curve where they are the same, for one would hide the other."""
    best = own.best_of_k_by_frame
    if best is None:
        drawn = [("this entry", Part.OWN, own.by_frame)]
    elif best == own.by_frame:
        drawn = [(f"this entry, mean and best of {own.draws} draws alike", Part.OWN, own.by_frame)]
    else:
        drawn = [
            (f"this entry, mean of {own.draws} draws", Part.OWN, own.by_frame),
            (f"this entry, best of {own.draws} draws", Part.OWN_SECOND, best),
        ]
    return [
        Curve(name=name, part=part, first_frame=result.first_frame, values=values)
        for name, part, values in drawn
    ]


def _rival_curves(report: GradeReport, field: Sequence[tuple[SamplingRow, Measured]]) -> list[Curve]:
    """The best of the others, the best one first."""
    foremost = field[: MOST_RIVALS + 1]
    others = [(row, found) for row, found in foremost if row.report.grade_id != report.grade_id]
    return [
        Curve(
            name=row.report.entry.entry_name or "",
            by=row.report.entry.user_name,
            part=Part.RIVAL,
            first_frame=row.result.first_frame,
            values=found.by_frame,
        )
        for row, found in others[:MOST_RIVALS]
    ]
