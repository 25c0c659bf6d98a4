"""How a record's pictures are shown: decoded predictions against decoded truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.cli.tables import number_table

if TYPE_CHECKING:
    from rich.table import Table

    from harness.results.regime_report import RegimeReport
    from harness.results.report import GradeReport
    from harness.scoring.perceptual_scores import SampledScore

_NOTHING = "-"
_Figure = tuple[float, tuple[float, float]]
"""A mean and its interval."""


def picture_table(report: GradeReport) -> Table | None:
    """A row for each regime, and for several draws their mean and the best of them; None if nothing was measured."""
    results = {regime: result for regime, result in report.regimes.items() if result and _is_measured(result)}
    if not results:
        return None
    table = number_table(
        None,
        first=f"pictures ({report.provenance.codec})",
        numbers=("LPIPS", "95% interval", "PSNR, dB", "SSIM"),
        caption=None,
        is_dense=True,
    )
    for regime, result in results.items():
        table.add_row(regime.in_words, *_figures(*_once(result)))
        if draws := result.samples:
            scores = (draws.lpips, draws.psnr, draws.ssim)
            table.add_row(f"  mean of {draws.draws} draws", *_figures(*map(_mean, scores)))
            table.add_row(f"  best of {draws.draws} draws", *_figures(*map(_best, scores)))
    return table


def why_missing(report: GradeReport) -> Iterator[str]:
    """One line for each reason why a metric was not measured: the end of it, which says what to do."""
    from harness.scoring.perceptual import by_reason

    results = [result for result in report.regimes.values() if result]
    missing = (item for result in results for item in result.missing_metrics.items())
    for reason, metrics in by_reason(missing).items():
        yield f"not measured: {', '.join(metrics)}: {reason.rpartition('; ')[2]}"


def _is_measured(result: RegimeReport) -> bool:
    return any(value is not None for value in (result.lpips, result.psnr, result.ssim))


def _once(result: RegimeReport) -> tuple[_Figure | None, ...]:
    fields = (
        (result.lpips, result.lpips_ci),
        (result.psnr, result.psnr_ci),
        (result.ssim, result.ssim_ci),
    )
    return tuple(None if mean is None or ci is None else (mean, ci) for mean, ci in fields)


def _mean(score: SampledScore | None) -> _Figure | None:
    return None if score is None else (score.mean, score.mean_ci)


def _best(score: SampledScore | None) -> _Figure | None:
    return None if score is None else (score.best_of_k, score.best_of_k_ci)


def _figures(lpips: _Figure | None, psnr: _Figure | None, ssim: _Figure | None) -> tuple[str, ...]:
    return (
        _NOTHING if lpips is None else f"{lpips[0]:.4f}",
        _NOTHING if lpips is None else f"{lpips[1][0]:.4f} to {lpips[1][1]:.4f}",
        _NOTHING if psnr is None else f"{psnr[0]:.2f}",
        _NOTHING if ssim is None else f"{ssim[0]:.4f}",
    )
