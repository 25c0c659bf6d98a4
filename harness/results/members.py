"""Which graded entries make a panel of honest ones.

An operator names them: whoever is in the panel sets what counts as honest, so that one copier taken in by accident
lets every later one pass. `everything` is for a store whose every entry is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.protocol.regimes import Regime
from harness.results.report import GradeReport, Status
from harness.retrieval.panel import LEAST_HONEST
from harness.retrieval.report import Verdict
from harness.text import printable

LEAST_REFERENCES = 2
"""One good and one worse: what a mistake is worth to an honest model depends on how good the model is."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the operator said; grades are named by their ids.

    Attributes:
        entries: honest ones; `references` and `private` are honest too and need not be repeated.
        everything: every grade that may be taken, with the newest of each submission.
        references: to adjust every delta for; empty for the best two and the median by loss, the third of three, so
            that two are left for each of them.
        private: references that are used and never named in public, besides `references`.
    """

    entries: tuple[str, ...] = ()
    everything: bool = False
    references: tuple[str, ...] = ()
    private: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Members:
    """The chosen grades, best loss first; every reference is one of the honest."""

    honest: tuple[GradeReport, ...]
    references: tuple[GradeReport, ...]
    private: frozenset[str]


def choose_members(
    reports: Sequence[GradeReport],
    request: Request,
    *,
    data_sha256: str,
    train_sha256: str,
    note: Callable[[str], None],
) -> Members:
    """The honest entries and the references among them.

    Raises: UsageError where a named grade cannot be taken, or where there are too few.
    """

    def why_not(report: GradeReport) -> str | None:
        return _why_not(report, data_sha256=data_sha256, train_sha256=train_sha256)

    named = tuple(dict.fromkeys((*request.entries, *request.references, *request.private)))
    honest = _named(reports, named, why_not, note)
    if request.everything:
        honest += _the_rest(reports, honest, why_not, note)
    if len(honest) < LEAST_HONEST:
        raise _too_few(honest, [report for report in reports if why_not(report) is None])
    _check_alike(honest)
    honest = sorted(honest, key=lambda report: (loss_of(report), report.grade_id))
    return Members(
        honest=tuple(honest), references=_references(honest, request), private=frozenset(request.private)
    )


def loss_of(report: GradeReport) -> float:
    """The temporally teacher-forced loss, in nats per token, of a grade that has evidence."""
    regime = report.regimes.get(Regime.TEMPORALLY_TEACHER_FORCED)
    return regime.loss if regime else float("inf")


def evidence_file(report: GradeReport) -> tuple[str, str]:
    """A member's evidence, below the store, and its sha256.

    Raises: ValueError for a grade that has none.
    """
    retrieval = report.retrieval
    if retrieval is None or retrieval.evidence_file is None or retrieval.evidence_sha256 is None:
        raise ValueError(f"{report.grade_id} has no evidence")
    return retrieval.evidence_file, retrieval.evidence_sha256


def _why_not(report: GradeReport, *, data_sha256: str, train_sha256: str) -> str | None:
    """Why this grade cannot be in the panel; None where it can."""
    retrieval = report.retrieval
    if report.status is not Status.GRADED:
        return "it failed"
    if report.entry.forbidden_reference:
        return "it breaks rule 5 on purpose"
    if retrieval is None or retrieval.evidence_file is None or retrieval.evidence_sha256 is None:
        return "it was not checked for copying: grade it with --train"
    if report.provenance.data_sha256 != data_sha256:
        return "it was graded on other data than --data"
    if retrieval.train_sha256 != train_sha256:
        return "it was checked against another training split than --train"
    return None


def _named(
    reports: Sequence[GradeReport],
    named: Sequence[str],
    why_not: Callable[[GradeReport], str | None],
    note: Callable[[str], None],
) -> list[GradeReport]:
    known = {report.grade_id: report for report in reports}
    obstacles = {
        grade_id: why_not(known[grade_id]) if grade_id in known else "the store has no such grade"
        for grade_id in named
    }
    wrong = [f"  {grade_id}: {obstacle}" for grade_id, obstacle in obstacles.items() if obstacle]
    if wrong:
        raise UsageError(
            "these grades cannot be in the panel:\n" + "\n".join(wrong),
            code="usage.panel_member",
            fix="name other grades, or grade these again on the same data and training split",
        )
    for grade_id in named:
        if (suspicion := _suspicion(known[grade_id])) is not None:
            note(f"{grade_id} is taken as honest, as it was named, although {suspicion}")
    return [known[grade_id] for grade_id in named]


def _the_rest(
    reports: Sequence[GradeReport],
    honest: Sequence[GradeReport],
    why_not: Callable[[GradeReport], str | None],
    note: Callable[[str], None],
) -> list[GradeReport]:
    """The last grade of every other submission that can be taken and is not under suspicion."""
    taken = {report.provenance.submission_sha256 for report in honest}
    newest = {report.provenance.submission_sha256: report for report in reports if why_not(report) is None}
    rest = []
    for report in (report for submission, report in newest.items() if submission not in taken):
        if (suspicion := _suspicion(report)) is None:
            rest.append(report)
        else:
            note(f"{report.grade_id} is left out: {suspicion}; name it if it is honest")
    return rest


def _suspicion(report: GradeReport) -> str | None:
    """What speaks against it, in words; before there is a panel, no verdict says it."""
    found = report.retrieval
    if found is None:
        return None
    if found.verdict in {Verdict.COPIED, Verdict.REVIEW}:
        return f"its verdict is {found.verdict.value}"
    if found.gap_failure is not None:
        return "it failed while its train gap was measured"
    if found.entry_scan and found.entry_scan.runs:
        return "training frames lie in its files"
    if found.entry_scan and found.entry_scan.missing:
        return "its files could not all be searched for training frames"
    return None


def _too_few(honest: Sequence[GradeReport], possible: Sequence[GradeReport]) -> UsageError:
    names = ", ".join(f"{report.grade_id} ({printable(str(report.entry.entry_name))})" for report in possible)
    return UsageError(
        f"{len(honest)} honest entries make no panel: at least {LEAST_HONEST} are needed",
        code="usage.panel_too_small",
        fix=f"grade more honest entries so, or name more with --entry where these are not all taken yet: {names}"
        if names
        else "no grade of this store was made on this --data with this --train: grade honest entries so first",
    )


def _check_alike(honest: Sequence[GradeReport]) -> None:
    by_submission = {report.provenance.submission_sha256: report.grade_id for report in honest}
    if len(by_submission) < len(honest):
        twice = next(
            report
            for report in honest
            if by_submission[report.provenance.submission_sha256] != report.grade_id
        )
        raise UsageError(
            f"{twice.grade_id} and {by_submission[twice.provenance.submission_sha256]} are grades of one submission: "
            "together they would make honest entries look more alike than they are",
            code="usage.panel_twice",
            fix="name one of them",
        )
    windows = {(report.provenance.schedule, report.provenance.max_windows) for report in honest}
    if len(windows) > 1:
        raise UsageError(
            "these grades are not of the same windows: they differ in --schedule or --windows",
            code="usage.panel_windows",
            fix="name grades of the same windows with --entry",
        )


def _references(honest: Sequence[GradeReport], request: Request) -> tuple[GradeReport, ...]:
    """The named ones; else the best two and the median of those that are not private. The private ones besides."""
    public = [report.grade_id for report in honest if report.grade_id not in request.private]
    default = public[:2] + public[max(2, len(public) // 2) :][:1]
    chosen = {*(request.references or default), *request.private}
    if len(chosen) < LEAST_REFERENCES:
        raise UsageError(
            f"{len(chosen)} reference is too few: at least {LEAST_REFERENCES} are needed, of different quality",
            code="usage.panel_references",
            fix="name another with --reference or --private, or leave --reference out",
        )
    return tuple(report for report in honest if report.grade_id in chosen)
