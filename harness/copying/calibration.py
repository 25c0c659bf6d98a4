"""A panel is made: honest graded entries are measured again, all with the same references.

A grade measures an entry with the references that it had; the panel's entries were graded before there was a panel.
Nothing is run again: the evidence that each grade kept holds what its entry thinks of the probed values.

Axes: R probes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip, clip_sha256, open_clip
from harness.data.windows import Schedule
from harness.errors import UsageError
from harness.exam import set_exam
from harness.progress import Advance, Progress
from harness.results.members import Members, Request, choose_members, evidence_file, loss_of
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.version import harness_version
from harness.retrieval.evidence import Evidence, read_evidence
from harness.retrieval.panel import CHECK_VERSION, HonestEntry, Panel, Reference
from harness.retrieval.questions import FOLDER_NAME, Questions, questions_for

SEED = 0
"""Of the bootstrap; the same for every entry."""


class Shown(Protocol):
    """The part of `SharedErrors` that a panel keeps."""

    @property
    def delta(self) -> float:
        """See `RetrievalReport`."""
        ...

    @property
    def delta_ci(self) -> tuple[float, float]:
        """See `RetrievalReport`."""
        ...

    @property
    def delta_by_window(self) -> tuple[float, ...]:
        """See `RetrievalReport`."""
        ...


class Asked(Protocol):
    """The part of `Questions` that a panel needs."""

    @property
    def probes_sha256(self) -> str:
        """Which values were probed."""
        ...

    def measure(
        self, logprobs_R: NDArray[np.floating], others: Sequence[NDArray[np.floating]], *, seed: int
    ) -> Shown:
        """What an entry's answers show, adjusted for others'."""
        ...


def calibrate(request: Request, *, data: Path, train: Path, store: Store, progress: Progress) -> Panel:
    """The panel of these entries of the store on this data and training split.

    Raises: UsageError where a grade cannot be taken, DataInvalid, and StoreFailed where evidence is lost.
    """
    with progress.step(f"checking {data} and {train}"):
        train_clip = open_clip(train)
        digests = {"data_sha256": clip_sha256(open_clip(data)), "train_sha256": clip_sha256(train_clip)}
    members = choose_members(store.reports(), request, **digests, note=progress.note)
    questions = _asked_again(members, data, train_clip, store, progress, digests)
    with progress.step("measuring honest entries", total=len(members.honest)) as advance:
        return panel_of(members, partial(_evidence_of, store), questions, **digests, advance=advance)


def panel_of(
    members: Members,
    evidence_of: Callable[[GradeReport], Evidence],
    asked: Asked,
    *,
    data_sha256: str,
    train_sha256: str,
    advance: Advance,
) -> Panel:
    """The panel of these members; `evidence_of` reads what one kept, and only the references' is held throughout.

    Raises: UsageError where evidence is of other probes, and what `evidence_of` raises.
    """
    _check_probes({each.grade_id: evidence_of(each).probes_sha256 for each in members.honest}, asked)
    references = {each.grade_id: evidence_of(each).logprobs_R for each in members.references}
    honest = []
    for report in members.honest:
        others = [answers_R for grade_id, answers_R in references.items() if grade_id != report.grade_id]
        honest.append(_honest_entry(report, evidence_of(report), others, asked))
        advance(1)
    return Panel(
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        harness_version=harness_version(),
        check_version=CHECK_VERSION,
        data_sha256=data_sha256,
        train_sha256=train_sha256,
        probes_sha256=asked.probes_sha256,
        seed=SEED,
        references=tuple(
            _reference(report, private=report.grade_id in members.private) for report in members.references
        ),
        honest=tuple(honest),
    )


def _asked_again(
    members: Members, data: Path, train: Clip, store: Store, progress: Progress, digests: Mapping[str, str]
) -> Questions:
    """What the members' grades asked; it is the same for all of them."""
    asked = members.honest[0].provenance
    exam = set_exam(data, Schedule(asked.schedule), asked.seed, max_windows=asked.max_windows)
    folder = store.folder / FOLDER_NAME
    return questions_for(exam.truth, train, folder=folder, **digests, progress=progress)


def _check_probes(probed: Mapping[str, str], asked: Asked) -> None:
    other = [grade_id for grade_id, probes_sha256 in probed.items() if probes_sha256 != asked.probes_sha256]
    if other:
        raise UsageError(
            f"these grades were probed at other values than this version of wmc probes: {', '.join(other)}",
            code="usage.panel_probes",
            fix="grade these entries again with this version",
        )


def _honest_entry(
    report: GradeReport, own: Evidence, others: Sequence[NDArray[np.floating]], asked: Asked
) -> HonestEntry:
    """One entry's statistics, adjusted for the host's references and these."""
    shown = asked.measure(own.logprobs_R, others, seed=SEED)
    return HonestEntry(
        **_facts(report),
        finished_at=report.finished_at,
        loss=loss_of(report),
        delta=shown.delta,
        delta_ci=shown.delta_ci,
        delta_by_window=shown.delta_by_window,
        train_gap=report.retrieval.train_gap if report.retrieval else None,
        near_distances=tuple(np.sort(own.distances_BT, axis=None).tolist()),
    )


def _reference(report: GradeReport, *, private: bool) -> Reference:
    file, sha256 = evidence_file(report)
    return Reference(**_facts(report), private=private, evidence_file=file, evidence_sha256=sha256)


def _facts(report: GradeReport) -> dict[str, Any]:
    return {
        "grade_id": report.grade_id,
        "entry_name": report.entry.entry_name or report.grade_id,
        "submission_sha256": report.provenance.submission_sha256 or "",
    }


def _evidence_of(store: Store, report: GradeReport) -> Evidence:
    file, sha256 = evidence_file(report)
    return read_evidence(store.folder / file, sha256=sha256)
