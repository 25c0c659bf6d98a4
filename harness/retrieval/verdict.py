"""The verdict: what was found, against what honest entries show. It calls a person; it disqualifies nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import DependencyMissing
from harness.extras import install
from harness.retrieval.report import (
    EntryScan,
    NearDuplicates,
    RetrievalReport,
    Thresholds,
    TrainGap,
    Verdict,
)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was measured of one entry; None where it was not.

    Attributes:
        delta, delta_ci, delta_by_window: see `RetrievalReport`.
        train_gap: in nats per token, with its interval.
        gap_failure: how the entry failed while its train gap was measured; None where it did not.
        near_duplicates: counted with the thresholds' `near_bits`.
        entry_scan: what its files hold.
    """

    delta: float
    delta_ci: tuple[float, float]
    delta_by_window: tuple[float, ...]
    train_gap: TrainGap | None = None
    gap_failure: str | None = None
    near_duplicates: NearDuplicates | None = None
    entry_scan: EntryScan | None = None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict and what led to it.

    Attributes:
        verdict: never `unmeasured`.
        reasons: a sentence each, the strongest first; none for `clear`.
        windows_flagged: how many windows are above the thresholds' `window_delta`, None without thresholds.
        windows_p: how likely so many or more are for an honest entry.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    windows_flagged: int | None = None
    windows_p: float | None = None


def judge(found: Findings, thresholds: Thresholds | None) -> Judgement:
    """`copied` when delta is above `delta_copied` and the lower end of its interval above every honest delta.

    `review` when delta is above `delta_copied` but not so certainly, when the lower end is above every honest delta
    by one standard deviation of theirs, when too many windows are flagged, when the train gap or the share of
    near-duplicates is above its threshold, when the entry failed while its gap was measured, or when training frames
    lie in its files or could not be searched for. `uncalibrated` without thresholds; what needs none is named all the
    same.

    The one standard deviation is there because intervals are narrow beside the spread of honest entries: without it
    whichever of E + 1 honest entries has the largest delta would be reviewed, one in E + 1.
    """
    needs_no_panel = without_panel(found)
    if thresholds is None:
        no_panel = "There is no panel of honest entries to compare with: nothing was judged."
        return Judgement(verdict=Verdict.UNCALIBRATED, reasons=(no_panel, *needs_no_panel))
    flagged = sum(delta > thresholds.window_delta for delta in found.delta_by_window)
    windows_p = binomial_tail(flagged, len(found.delta_by_window), thresholds.window_rate)
    copied, shared = _shared_errors(found, thresholds)
    reasons = (
        *shared,
        *_windows(found, flagged, windows_p, thresholds),
        *_train_gap(found.train_gap, thresholds),
        *_near_duplicates(found.near_duplicates, thresholds),
        *needs_no_panel,
    )
    verdict = Verdict.COPIED if copied else Verdict.REVIEW if reasons else Verdict.CLEAR
    return Judgement(verdict=verdict, reasons=reasons, windows_flagged=flagged, windows_p=windows_p)


def without_panel(found: Findings | RetrievalReport) -> tuple[str, ...]:
    """The reasons that need no honest entries to be compared with."""
    return (*_gap_failure(found.gap_failure), *_frames_found(found.entry_scan))


def binomial_tail(successes: int, trials: int, rate: float) -> float:
    """The probability of so many successes or more.

    Raises: DependencyMissing.
    """
    require_scipy()
    from scipy.stats import binom

    return float(binom.sf(successes - 1, trials, rate))


def require_scipy() -> None:
    """Nothing, where a verdict can be reached.

    Raises: DependencyMissing.
    """
    try:
        import scipy  # noqa: F401 - whether it is there is the question
    except ImportError as error:
        raise DependencyMissing(
            "the retrieval check needs the package scipy", fix=install("retrieval")
        ) from error


def _shared_errors(found: Findings, thresholds: Thresholds) -> tuple[bool, tuple[str, ...]]:
    """Whether it copied, and the sentence about delta if there is one to say."""
    low, high = found.delta_ci
    outlying = thresholds.delta_outlying
    is_large, is_certain = found.delta > thresholds.delta_copied, low > thresholds.delta_max
    if not (is_large or low > outlying):
        return False, ()
    measured = (
        f"It favours the mistakes of training frames by {found.delta:+.3f} spreads of its answers more than honest "
        f"models explain (95% interval {low:+.3f} to {high:+.3f}); {thresholds.honest} honest entries reach at most "
        f"{thresholds.delta_max:+.3f}, and above {thresholds.delta_copied:+.3f} counts as copied."
    )
    if is_large and is_certain:
        return True, (measured,)
    doubt = (
        "The interval reaches down to where honest entries are."
        if is_large
        else f"The whole interval is above {outlying:+.3f}, further from honest entries than they are apart."
    )
    return False, (f"{measured} {doubt}",)


def _windows(found: Findings, flagged: int, windows_p: float, thresholds: Thresholds) -> Iterator[str]:
    if windows_p < thresholds.windows_p:
        yield (
            f"{flagged} of {len(found.delta_by_window)} windows have a delta above {thresholds.window_delta:+.3f}, "
            f"which no honest window reaches; by chance so many are seen with probability {windows_p:.1e} "
            f"(review below {thresholds.windows_p:g})."
        )


def _train_gap(gap: TrainGap | None, thresholds: Thresholds) -> Iterator[str]:
    if gap is not None and thresholds.train_gap is not None and gap.gap > thresholds.train_gap:
        low, high = gap.gap_ci
        yield (
            f"It predicts training windows {gap.gap:+.3f} nats per token better than graded ones "
            f"(95% interval {low:+.3f} to {high:+.3f}); above {thresholds.train_gap:+.3f} is more than honest "
            "entries explain."
        )


def _near_duplicates(near: NearDuplicates | None, thresholds: Thresholds) -> Iterator[str]:
    if near is not None and near.share is not None and near.share > thresholds.near_share:
        yield (
            f"{near.share:.1%} of its {near.frames} predicted frames are closer than {thresholds.near_bits:g} bits "
            f"to a training frame; above {thresholds.near_share:.1%} is more than honest entries explain."
        )


def _gap_failure(failure: str | None) -> Iterator[str]:
    if failure is not None:
        yield f"The entry answered every regime and then failed while its train gap was measured: {failure}"


def _frames_found(scan: EntryScan | None) -> Iterator[str]:
    """One sentence, about the longest run; another where not all was searched, or an entry could hide behind that."""
    if scan is not None and scan.missing is not None:
        yield f"Its files could not all be searched for training frames: {scan.missing}"
    if scan is None or not scan.runs:
        return
    run = max(scan.runs, key=lambda each: each.frames)
    others = len(scan.runs) - 1
    yield (
        f"{run.frames} training frames one after another, the first of them frame {run.train_frame}, lie in its file "
        f"{run.path} at byte {run.offset} ({run.layout})"
        + (f", and {others} more such runs." if others else ".")
    )
