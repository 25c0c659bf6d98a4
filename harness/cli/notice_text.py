"""A notice in words, to be sent as it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from harness.cli.outcomes_page import turn_of
from harness.notice import PRIVATE, PUBLIC, Notice, OpenFigures, Withdrawn
from harness.outcomes import Outcome
from harness.scoring.perceptual import Metric
from harness.text import spelled_out

_WIDTH = 80
_LABEL = 12
_UNANNOUNCED = (
    "No announced improvement: it did not beat your best announced grade on this data by more than noise. Figures of "
    "private data are told only then, so that nobody can read it by trying."
)


def notice_text(notice: Notice) -> str:
    """Lines of at most 80 columns but for a long name, without a line end at the end."""
    return "\n".join(_lines(notice))


def _lines(notice: Notice) -> Iterator[str]:
    yield from _fact("grade", f"{notice.grade_id}, {notice.day}")
    if notice.user_name:
        yield from _fact("entry", spelled_out(f"{notice.user_name}/{notice.entry_name or 'unnamed'}"))
    else:
        yield from _fact("entry", "could not be read, and so not whose it is: it counts for nobody")
    yield from _fact("zip", f"sha256 {(notice.submission_sha256 or 'unknown')[:32]}")
    yield from _fact(
        "data", f"{spelled_out(notice.data_name or 'unknown')}{', held out' * notice.is_private}"
    )
    yield from _fact(
        "status", f"withdrawn; it was {notice.status.value}" if notice.withdrawn else notice.status.value
    )
    if notice.withdrawn:
        yield from _withdrawal(notice.withdrawn)
    if notice.outcome:
        yield from _failure(notice.outcome, is_private=notice.is_private)
    else:
        yield from _fact(
            "attempt", "counts as one" if notice.counts_as_attempt else "none: its answers were scored again"
        )
        if notice.open_figures:
            yield ""
            yield from _open_figures(notice, notice.open_figures)
        elif notice.is_announced:
            yield ""
            yield from _figures(notice)
        else:
            yield from _fact("figures", _UNANNOUNCED)


def _withdrawal(found: Withdrawn) -> Iterator[str]:
    yield from _fact("withdrawn", f"by the organiser on {found.day}: {spelled_out(found.reason)}")
    if found.answers_of:
        yield from _fact("", f"It was said of {found.answers_of}, whose answers this grade scores again.")
    yield from _fact(
        "",
        "The page shows it struck through, without a rank, and it wins nothing; its record stays as it was. If you "
        "disagree, write to the organiser.",
    )


def _failure(outcome: Outcome, *, is_private: bool) -> Iterator[str]:
    yield from _fact("code", outcome.code)
    yield from _fact("cause", outcome.cause)
    yield from _fact("next step", outcome.next_step)
    yield from _fact("turn", turn_of(outcome))
    if outcome.counts_as_attempt and is_private:
        yield from _fact(
            "output",
            "What the entry printed on held-out data stays with the organiser. `wmc check` shows it to you on data "
            "of your own; that of a grade on val can be sent.",
        )


def _figures(notice: Notice) -> Iterator[str]:
    decimals = PRIVATE if notice.is_private else PUBLIC
    yield f"{'regime':<26}{'loss':>8}{'accuracy':>10}{'s/frame':>9}{'LPIPS':>8}{'PSNR':>8}{'SSIM':>8}"
    for regime, found in notice.figures.items():
        pictures = "".join(
            f"{'-' if value is None else f'{value:.{decimals.metrics[metric]}f}':>8}"
            for metric, value in zip(Metric, (found.lpips, found.psnr, found.ssim), strict=True)
        )
        yield (
            f"{regime.in_words:<26}{found.loss:>8.{decimals.loss}f}{found.token_accuracy:>10.{decimals.accuracy}f}"
            f"{found.seconds_per_frame:>9.2g}{pictures}"
        )
    yield f"means over {max(found.windows for found in notice.figures.values())} windows, loss in nats per token"
    if notice.retrieval:
        yield f"copies of the training set: {notice.retrieval}"


def _open_figures(notice: Notice, found: OpenFigures) -> Iterator[str]:
    yield "open protocol: the entry had the truth before it, so it has no rank"
    for name, value in found.self_reported.items():
        yield f"self-reported {name:<16}{value:>12.{PUBLIC.loss}f}"
    if found.rescored_loss is not None and found.rescored_accuracy is not None:
        yield f"{'rescored loss':<30}{found.rescored_loss:>12.{PUBLIC.loss}f}"
        yield f"{'rescored accuracy':<30}{found.rescored_accuracy:>12.{PUBLIC.accuracy}f}"
    if notice.is_private:
        yield "its figures on held-out data stay with the organiser: it could write the data into them"


def _fact(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
