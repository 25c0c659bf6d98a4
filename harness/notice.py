"""What an entrant is told of a grade: a status, fixed words, rounded figures, and never a log of held-out data.

Whatever goes back to an entrant is a way out for the held-out data that the entry saw, so little goes back:

- Of a failure the code, and the cause and next step that the table has for it. The record's message and fix may hold
  what a guest chose, a size or a token, and stay with the organiser. After it saw data an entry can choose among some
  dozen codes: less than four bits of a grade that counts as an attempt.
- Of a success the means over all windows, rounded; nothing of a window, a frame or a position. Of private data only
  where the grade is announced (`leaderboard.ladder`): else that it is no announced improvement, no figure, and no
  verdict on copying, which an entry could choose too. Who has to answer one is told by a person.
- Of a withdrawal the day and the reason, which the page shows to everybody; not who decided.
- Times to two figures. When the grade ended is told to the day, for its id says to the second when it began.
- Logs from a grade on public val alone, and of what ran in a container: outside of one an entry reads what its user
  reads. build.log too: a build has no held-out data on its side, whether it is made now or found again with the log of
  when it was made, but its machine may just have shown some to another entry. A grade of the same zip on val has it.
  The search through an entry's files runs nothing of it and has no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.outcomes import Outcome, outcome_of
from harness.protocol.regimes import Regime
from harness.results.attempts import counts
from harness.results.public_data import PublicData
from harness.results.regime_report import RegimeReport
from harness.results.report import Failure, GradeReport, Status
from harness.results.withdrawals import Withdrawal
from harness.scoring.perceptual import Metric
from harness.spec import CHALLENGE
from harness.text import printable

LOG_BYTES = 64 << 10
"""Of each log, from its end."""

TOLD_OF_PRINTED = ("loss", "acc", "pred_lpips", "gen_time")
"""Of the figures that a program of the open protocol prints, by 1X's names for them."""

_MOST_PRINTED = 1e6
_LARGEST_LOSS = 2 * CHALLENGE.uniform_loss
_MOST_S = 86_400.0
_ISOLATED = "docker"


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How many decimals leave."""

    loss: int
    accuracy: int
    metrics: dict[Metric, int]


PRIVATE = Rounding(loss=2, accuracy=3, metrics={Metric.LPIPS: 2, Metric.PSNR: 1, Metric.SSIM: 2})
PUBLIC = Rounding(loss=4, accuracy=4, metrics={Metric.LPIPS: 4, Metric.PSNR: 2, Metric.SSIM: 4})


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One regime's means over windows, rounded.

    Attributes:
        loss: in nats per token; no more than twice that of uniform guessing is told apart.
        lpips, psnr, ssim: of decoded predictions; None where they were not measured.
        seconds_per_frame: to two figures.
    """

    windows: int
    loss: float
    token_accuracy: float
    seconds_per_frame: float
    lpips: float | None
    psnr: float | None
    ssim: float | None


@dataclass(frozen=True, kw_only=True)
class OpenFigures:
    """What a program of the open protocol is worth in its own words, and its saved logits in ours.

    Attributes:
        self_reported: what it printed, by name, rounded.
        rescored_loss, rescored_accuracy: rounded; None where no logits were scored.
    """

    self_reported: dict[str, float]
    rescored_loss: float | None
    rescored_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    """That the grade counts no more, by the day and the reason; `answers_of` is the grade that was withdrawn where this
    one only scores its answers again."""

    day: str
    reason: str
    answers_of: str | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What an entrant is told of one grade.

    Attributes:
        day: when it ended, as 2026-11-30.
        withdrawn: None where it counts.
        outcome: how it failed, None where it was scored.
        is_announced: whether its figures are told; of private data only those that beat what was announced before.
        figures: of each graded regime; none where they are not told.
        open_figures: of a grade of the open protocol, which has no regimes; None for every other one.
        retrieval: the verdict on copying the training set; None where nobody looked, and where no figure is told.
        is_private: whether the data is held out.
        has_logs: whether the entry's logs may go along.
    """

    grade_id: str
    day: str
    submission_sha256: str | None
    user_name: str | None
    entry_name: str | None
    data_name: str | None
    status: Status
    counts_as_attempt: bool
    withdrawn: Withdrawn | None
    outcome: Outcome | None
    is_announced: bool
    figures: dict[Regime, Figures]
    open_figures: OpenFigures | None
    retrieval: str | None
    is_private: bool
    has_logs: bool


def notice_of(
    report: GradeReport,
    records: Iterable[GradeReport],
    *,
    is_announced: bool = True,
    pictures_told: bool = True,
    withdrawal: Withdrawal | None = None,
) -> Notice:
    """What the entrant of this grade may know of it; `is_announced` says whether figures of private data are told.

    `pictures_told` says so of the figures of its pictures; `withdrawal` is what took it back. `records` are all there
    are: together they say which data is private.
    """
    failure, provenance = report.failure, report.provenance
    held_out = PublicData(records).is_private(report)
    is_told = failure is None and (is_announced or not held_out)
    outcome = told(failure) if failure else None
    if outcome and report.is_of_nobody:
        outcome = replace(outcome, counts_as_attempt=False)
    rounding = PRIVATE if held_out else PUBLIC
    return Notice(
        grade_id=report.grade_id,
        day=report.finished_at[:10],
        submission_sha256=provenance.submission_sha256,
        user_name=report.entry.user_name,
        entry_name=report.entry.entry_name,
        data_name=provenance.data_name,
        status=report.status,
        counts_as_attempt=counts(report),
        withdrawn=_withdrawn(report, withdrawal) if withdrawal else None,
        outcome=outcome,
        is_announced=is_told,
        figures={
            regime: _rounded(found, rounding, pictures_told or not held_out)
            for regime, found in report.regimes.items()
            if found and is_told
        },
        open_figures=open_figures(report, is_private=held_out),
        retrieval=report.retrieval.verdict.value if report.retrieval and is_told else None,
        is_private=held_out,
        has_logs=not held_out and provenance.sandbox == _ISOLATED,
    )


def _withdrawn(report: GradeReport, decision: Withdrawal) -> Withdrawn:
    return Withdrawn(
        day=decision.at[:10],
        reason=decision.reason,
        answers_of=decision.grade_id if decision.grade_id != report.grade_id else None,
    )


def open_figures(report: GradeReport, *, is_private: bool) -> OpenFigures | None:
    """What may leave of a grade of the open protocol; None for every other one. Of held-out data no figure leaves."""
    found = report.open_run
    if found is None:
        return None
    if is_private:
        return OpenFigures(self_reported={}, rescored_loss=None, rescored_accuracy=None)
    printed = {name: found.self_reported.get(name) for name in TOLD_OF_PRINTED}
    result = found.rescored
    return OpenFigures(
        self_reported={
            name: round(clamped(value, -_MOST_PRINTED, _MOST_PRINTED), PUBLIC.loss)
            for name, value in printed.items()
            if value is not None
        },
        rescored_loss=round(clamped(result.loss, 0, _LARGEST_LOSS), PUBLIC.loss) if result else None,
        rescored_accuracy=round(clamped(result.token_accuracy, 0, 1), PUBLIC.accuracy) if result else None,
    )


def told(failure: Failure) -> Outcome:
    """What may be said of a failure: what the table says of its code, and nothing of the record's own words."""
    return outcome_of(failure.code, failure.blame)


def two_figures(seconds: float) -> float:
    """A time as it leaves; a day at most."""
    return float(f"{clamped(seconds, 0, _MOST_S):.2g}")


def clamped(value: float, low: float, high: float) -> float:
    """`value`, or the end that it lies beyond: without both ends all digits before the point would be a figure's own.

    Not a number stays so.
    """
    return min(max(value, low), high)


def shared_logs(notice: Notice, logs: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """(name, text) of each log that may go along: its end, without what steers a terminal. Raises: OSError."""
    if not notice.has_logs:
        return
    for log in sorted(logs):
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read(LOG_BYTES).decode("utf-8", "replace")
        cut = (
            f"... (what came before the last {LOG_BYTES >> 10} KiB is left out)\n" if size > LOG_BYTES else ""
        )
        yield log.name, cut + printable(text)


def _rounded(found: RegimeReport, rounding: Rounding, pictures_told: bool) -> Figures:
    metrics = {
        metric.value: None
        if value is None or not pictures_told
        else round(clamped(value, *metric.bounds), rounding.metrics[metric])
        for metric in Metric
        for value in [getattr(found, metric.value)]
    }
    return Figures(
        windows=found.windows,
        loss=round(clamped(found.loss, 0, _LARGEST_LOSS), rounding.loss),
        token_accuracy=round(clamped(found.token_accuracy, 0, 1), rounding.accuracy),
        seconds_per_frame=two_figures(found.seconds_per_frame),
        **metrics,
    )
