"""`wmc regrade GRADE`: a new record from the answers that a grade kept, by today's scoring; nothing is run again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.copying.copy_check import open_copy_check
from harness.errors import StoreFailed, UsageError
from harness.exam import SCORING_VERSION, Exam
from harness.progress import Progress
from harness.protocol.regimes import Regime
from harness.recomputing.rejudging import judged_again
from harness.recomputing.rescoring import exam_of, kept_answers, rescored
from harness.results.artifacts import artifacts_of, read_artifact
from harness.results.audit import require_as_recorded
from harness.results.moment import now
from harness.results.record import Record
from harness.results.regime_report import RegimeReport
from harness.results.report import OPEN, GradeReport
from harness.results.store import Store
from harness.results.version import git_commit, harness_version
from harness.retrieval.report import COPIES_IN, RetrievalReport
from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class RegradeRequest:
    """Which grade is scored again, and with what.

    Attributes:
        data: the folder of the graded clip; accuracies are taken over where it is None.
        train: the folder of the training clip; what the retrieval check found is taken over where it is None.
        panel: honest entries to judge by; None for the store's own, if it has a panel.
    """

    grade_id: str
    data: Path | None = None
    train: Path | None = None
    panel: Path | None = None


def regrade(request: RegradeRequest, *, store: Store, progress: Progress) -> GradeReport:
    """The new record, which names the old one, in the store. Metrics of pictures, timing and probes are taken over.

    Raises: StoreFailed where the store is not as it was recorded: no figure is taken from a part; UsageError.
    """
    with progress.step("checking the store"):
        old = store.report(request.grade_id)
        _check_possible(old, request)
        _check_intact(store, old)
    exam = exam_of(old, request.data) if request.data else None
    provenance = replace(
        old.provenance,
        harness_version=harness_version(),
        git_commit=git_commit(),
        scoring_version=SCORING_VERSION,
    )
    record = Record(provenance=provenance)
    regimes = {
        regime: result and _scored_again(result, regime, old, exam, store)
        for regime, result in old.regimes.items()
    }
    retrieval = old.retrieval
    if retrieval and request.train and exam:
        retrieval = _judged_again(retrieval, old, request, exam, record, store, progress)
    new = replace(
        old,
        grade_id=record.grade_id,
        finished_at=now(),
        regimes=regimes,
        provenance=provenance,
        retrieval=retrieval,
        regrade_of=old.grade_id,
    )
    store.append(new)
    return new


def _check_possible(old: GradeReport, request: RegradeRequest) -> None:
    if old.failure:
        raise UsageError(
            f"{old.grade_id} failed ({old.failure.code}), so there is nothing to score again",
            code="usage.not_graded",
            fix="grade the entry again",
        )
    if old.provenance.protocol == OPEN:
        raise UsageError(
            f"{old.grade_id} is of the open protocol: it has no answers that were given through the gate",
            code="usage.open_grade",
            fix="grade the entry again; `wmc verify` computes its rescored figures again",
        )
    if old.provenance.spec_version != CHALLENGE.version:
        raise UsageError(
            f"{old.grade_id} was asked by version {old.provenance.spec_version} of the challenge's numbers, "
            f"this is {CHALLENGE.version}: other questions, not another scoring",
            code="usage.other_spec",
            fix="grade the entry again",
        )
    if request.panel and not request.train:
        raise UsageError(
            "--panel judges the retrieval check, which needs the training clip",
            code="usage.train",
            fix="add --train DIR, or leave --panel out",
        )
    if request.train and not (request.data and old.retrieval):
        raise UsageError(
            f"{old.grade_id} was not checked for copying"
            if request.data
            else "--train judges the retrieval check, which needs the graded clip too",
            code="usage.train",
            fix="leave --train out" if request.data else "add --data DIR, or leave --train out",
        )


def _check_intact(store: Store, old: GradeReport) -> None:
    """Raises: StoreFailed."""
    require_as_recorded(store)
    for artifact in artifacts_of(old):
        read_artifact(store.folder, artifact)


def _scored_again(
    result: RegimeReport, regime: Regime, old: GradeReport, exam: Exam | None, store: Store
) -> RegimeReport:
    answers = kept_answers(result, regime, store.folder)
    if cut_off := sum(each.cut_off for each in answers):
        raise StoreFailed(
            f"{cut_off} tokens cost more nats than were kept ({regime.in_words})",
            code="store.cut_off",
            fix="grade the entry again",
        )
    truth = exam.truth if exam else None
    return rescored(result, regime, answers, seed=old.provenance.seed, truth=truth)


def _judged_again(
    kept: RetrievalReport,
    old: GradeReport,
    request: RegradeRequest,
    exam: Exam,
    record: Record,
    store: Store,
    progress: Progress,
) -> RetrievalReport:
    """What the check finds now; of the pictures those that still show a source."""
    result = old.regimes[COPIES_IN]
    if result is None or request.train is None:
        return kept
    check = open_copy_check(
        request.train,
        exam,
        data_sha256=str(old.provenance.data_sha256),
        panel=request.panel,
        store=store,
        progress=progress,
    )
    answers = kept_answers(result, COPIES_IN, store.folder)[0]
    with progress.step("retrieval check: judging again"):
        found = judged_again(kept, answers, check, record, store=store)
    sources = {(each.window, each.frame, each.train_frame) for each in found.sources}
    pictures = (each for each in kept.pictures if (each.window, each.frame, each.train_frame) in sources)
    return replace(found, pictures=tuple(pictures))
