"""Tables and curves of what the retrieval check said of honest entries and of copiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FALSE_POSITIVES = 0.01
_SIZE, _MARGIN = 300, 40
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9c6b4e")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One subject on one split, judged by a panel without its run.

    Attributes:
        plan: how it copies; None for an honest entry.
        blend, windows: the copied share of the mixture, and of the windows.
        without_architecture: whether its whole architecture was left out of the panel, too.
        loss, honest_loss: nats per token, of the subject and of what it copies into.
        delta, delta_max, delta_copied, windows_flagged, path_share, verdict, reasons: see `RetrievalReport`.
    """

    split: str
    name: str
    architecture: str
    plan: str | None
    blend: float
    windows: float
    without_architecture: bool
    loss: float
    honest_loss: float | None
    delta: float
    delta_max: float
    delta_copied: float
    windows_flagged: int
    path_share: float
    verdict: str
    reasons: tuple[str, ...]

    @property
    def score(self) -> float:
        """delta in units of what its own panel calls copied."""
        return self.delta / self.delta_copied


def report(cases: Sequence[Case], folder: Path) -> None:
    """Print all tables, and write `retrieval_roc.svg`; splits are counted together."""
    honest = [case for case in cases if case.plan is None]
    fair = [case for case in honest if not case.without_architecture]
    copiers = [case for case in cases if case.plan is not None]
    _print_honest("Honest entries", fair)
    _print_honest("Their architecture left out", [case for case in honest if case.without_architecture])
    _print_copiers(copiers, fair)
    _print_missed(copiers)
    (folder / "retrieval_roc.svg").write_text(_svg(copiers, fair))


def _print_honest(title: str, cases: Sequence[Case]) -> None:
    count = {name: sum(case.verdict == name for case in cases) for name in ("copied", "review", "clear")}
    worst = max(cases, key=lambda case: case.score)
    print(
        f"{title}: {len(cases)}, copied {count['copied']}, review {count['review']}; largest delta "
        f"{worst.delta:+.3f} of {worst.delta_copied:+.3f} ({worst.name})"
    )
    for case in cases:
        if case.verdict != "clear":
            print(f"  {case.verdict}: {case.split}, {case.name}: {' '.join(case.reasons)}")


def true_positives(copiers: Sequence[Case], honest: Sequence[Case]) -> float:
    """The share of copiers whose score is above all but 1% of honest scores."""
    bar = np.quantile([case.score for case in honest], 1 - FALSE_POSITIVES, method="higher")
    return float(np.mean([case.score > bar for case in copiers]))


def _print_copiers(copiers: Sequence[Case], honest: Sequence[Case]) -> None:
    print(
        "\n| copies | blend | of windows | found at 1% false positives | copied | review | least delta / bar |"
    )
    print("|---|---|---|---|---|---|---|")
    for plan, windows, blend in dict.fromkeys((case.plan, case.windows, case.blend) for case in copiers):
        same = [case for case in copiers if (case.plan, case.windows, case.blend) == (plan, windows, blend)]
        verdicts = [case.verdict for case in same]
        least = min(same, key=lambda case: case.score)
        print(
            f"| {plan} | {blend:g} | {windows:.0%} | {true_positives(same, honest):.0%} "
            f"| {verdicts.count('copied')} of {len(same)} | {verdicts.count('review')} "
            f"| {least.delta:.2f} / {least.delta_copied:.2f} ({least.name.split()[0]}) |"
        )


def _print_missed(copiers: Sequence[Case]) -> None:
    """Copies that pay, and are not called copied."""
    paying = [case for case in copiers if case.honest_loss is not None and case.loss < case.honest_loss]
    missed = [case for case in paying if case.verdict == "clear"]
    print(
        f"\n{len(paying)} of {len(copiers)} copiers have a lower loss than without; {len(missed)} are clear:"
    )
    for case in missed:
        print(
            f"  {case.split}, {case.name}: {case.honest_loss:.3f} -> {case.loss:.3f}, delta {case.delta:.3f} of "
            f"{case.delta_copied:.3f}"
        )


def _curve(copiers: Sequence[Case], honest: Sequence[Case]) -> NDArray[np.float64]:
    """False and true positive rate at every bar: `[points, 2]`."""
    bars = np.sort([-np.inf, *(case.score for case in (*copiers, *honest)), np.inf])[::-1]
    rates = [[np.mean([case.score >= bar for case in side]) for side in (honest, copiers)] for bar in bars]
    return np.array(rates)


def _svg(copiers: Sequence[Case], honest: Sequence[Case]) -> str:
    """One curve for each blend, all ways to copy in all windows together."""
    whole = [case for case in copiers if case.windows == 1]
    width, height = _SIZE + 3 * _MARGIN + 60, _SIZE + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="#888"/>',
        f'<text x="{_MARGIN + _SIZE / 2}" y="{height - 10}" text-anchor="middle">honest entries above the bar</text>',
        f'<text transform="translate(14 {_MARGIN + _SIZE / 2}) rotate(-90)" text-anchor="middle">'
        "copiers above the bar</text>",
    ]
    for place, blend in enumerate(sorted({case.blend for case in whole})):
        curve = _curve([case for case in whole if case.blend == blend], honest)
        points = " ".join(
            f"{_MARGIN + false * _SIZE:.1f},{_MARGIN + (1 - true) * _SIZE:.1f}" for false, true in curve
        )
        colour = _COLOURS[place % len(_COLOURS)]
        y = _MARGIN + 16 + 18 * place
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_MARGIN + _SIZE + 12}" y="{y}" fill="{colour}">{blend:.0%} copied</text>')
    return "\n".join([*parts, "</svg>\n"])
