"""How the retrieval check of a grade is shown: the verdict, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cli.console import Console
from harness.retrieval.report import RetrievalReport, Thresholds, Verdict
from harness.text import printable

_WHAT_IT_IS = {
    Verdict.CLEAR: "nothing lies beyond what honest entries show",
    Verdict.REVIEW: "more than honest entries show",
    Verdict.COPIED: "it shares mistakes as no honest entry does",
    Verdict.UNCALIBRATED: "there is no panel to compare with",
    Verdict.UNMEASURED: "nothing was measured",
}
_NEXT = {
    Verdict.CLEAR: "nothing is to be done",
    Verdict.REVIEW: "look at its page (wmc leaderboard); a person decides",
    Verdict.COPIED: "look at its page (wmc leaderboard); a person decides, not the check",
    Verdict.UNCALIBRATED: "wmc retrieval calibrate; until then the figures accuse nobody",
    Verdict.UNMEASURED: "do what the reason says, and grade again",
}


_ALARMING = (Verdict.REVIEW, Verdict.COPIED)


def show_retrieval(found: RetrievalReport, console: Console, *, as_json: bool) -> None:
    """Show it on stdout; beside a JSON object only that a person should look, on stderr."""
    from rich.markup import escape

    first, *others = (printable(line) for line in retrieval_lines(found))
    alarming = found.verdict in _ALARMING
    if not as_json:
        style = "bold red" if alarming else "bold"
        console.show(f"[{style}]{escape(first)}[/]\n{escape(chr(10).join(others))}", prose=True)
    elif alarming:
        console.warn(first)


def retrieval_lines(found: RetrievalReport) -> Iterator[str]:
    """A short paragraph in plain text, a line each."""
    yield f"copies of the training set: {found.verdict.value}: {_WHAT_IT_IS[found.verdict]}"
    if found.verdict in _ALARMING:
        for reason in found.reasons[:1]:
            yield f"  {reason}"
        if more := len(found.reasons) - 1:
            yield f"  and {more} more: on its page"
    if found.missing:
        yield f"  not measured: {found.missing}"
    for figure in _figures(found):
        yield f"  {figure}"
    yield f"  next: {_NEXT[found.verdict]}"


def _figures(found: RetrievalReport) -> Iterator[str]:
    those = found.thresholds
    if found.delta is not None:
        yield f"delta {found.delta:+.3f}{_interval(found.delta_ci, 3)} spreads{_beside(those)}"
    if found.windows_flagged is not None:
        chance = "" if found.windows_p is None else f", p {found.windows_p:.2g}"
        bound = f" (review below {those.windows_p:.2g})" if those else ""
        yield f"flagged windows {found.windows_flagged} of {len(found.delta_by_window)}{chance}{bound}"
    if gap := found.train_gap:
        bound = "" if those is None or those.train_gap is None else f" (review above {those.train_gap:+.3f})"
        yield f"train gap {gap.gap:+.3f}{_interval(gap.gap_ci, 3)} nats per token{bound}"
    if found.entry_scan and found.entry_scan.runs:
        frames = sum(run.frames for run in found.entry_scan.runs)
        yield f"training frames found in the entry: {frames}"


def _beside(those: Thresholds | None) -> str:
    return f" (copied above {those.delta_copied:+.3f})" if those else ""


def _interval(ends: tuple[float, float] | None, decimals: int) -> str:
    return f", 95% {ends[0]:+.{decimals}f} to {ends[1]:+.{decimals}f}," if ends else ""
