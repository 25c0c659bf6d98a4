"""The retrieval check of one grade: prepared before the entry runs, listening while it answers, judged at the end.

Axes: B graded windows, T predicted frames (t = 1..15, index t - 1), H and W tokens, M references, R probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.copying.panels import choose_panel
from harness.copying.train_gap import choose_windows
from harness.data.clips import Clip, clip_sha256, open_clip
from harness.errors import GuestFailed, UsageError
from harness.exam import Exam, Predicted
from harness.progress import Progress
from harness.protocol.host import Sink
from harness.protocol.regimes import Regime
from harness.results.artifacts import Artifact
from harness.results.record import Record
from harness.results.store import Store
from harness.retrieval.copycoef import SharedErrors
from harness.retrieval.engines import best_engine
from harness.retrieval.evidence import FILE_NAME, Evidence
from harness.retrieval.near_duplicates import near_duplicates
from harness.retrieval.panel import Panel, reference_logprobs
from harness.retrieval.probes import ProbeSheet
from harness.retrieval.questions import FOLDER_NAME, Questions, questions_for
from harness.retrieval.references import HOST_REFERENCES
from harness.retrieval.report import COPIES_IN, EntryScan, RetrievalReport, TrainGap, Verdict
from harness.retrieval.sources import strongest_sources
from harness.retrieval.verdict import Findings, judge, require_scipy, without_panel

SOURCES = 20
"""Suspected sources that a record names."""

INTERRUPTED = "the check was interrupted"

UNTESTED = (
    "no prediction could be tested for shared mistakes, for too few segments of the training clip look alike: name the "
    "whole training split in --train"
)


@dataclass(frozen=True, kw_only=True)
class CopyCheck:
    """The check of one entry, between its preparation and its verdict.

    Attributes:
        train: the clip that may have been copied.
        questions: which values are looked up in the entry's predictions.
        sheet: what the entry thinks of them; filled in while it answers.
        panel: None where there is none for this data.
        unfinished: the report as far as it is known before the entry runs.
    """

    train: Clip
    questions: Questions
    sheet: ProbeSheet
    panel: Panel | None
    unfinished: RetrievalReport
    store: Store
    progress: Progress

    def tap(self, regime: Regime) -> Sink | None:
        """Who listens in on this regime's predictions."""
        return self.sheet.record if regime is COPIES_IN else None

    @property
    def digests(self) -> dict[str, str]:
        """What an earlier process's answers must have been answers to."""
        return {
            "train_sha256": str(self.unfinished.train_sha256),
            "probes_sha256": self.questions.probes_sha256,
        }

    def keep_answers(self, regime: Regime, record: Record) -> Artifact | None:
        """What the entry thinks of the probes, beside the record, for a process that must go on without the entry.

        Raises: StoreFailed.
        """
        if regime is not COPIES_IN:
            return None
        file, sha256 = self.store.save_artifact(record.grade_id, "probes.f2", self.sheet.to_bytes())
        return Artifact(file=file, sha256=sha256)

    def report(
        self, results: Sequence[Predicted], gap: TrainGap | GuestFailed, scan: EntryScan, record: Record
    ) -> RetrievalReport:
        """Everything that was found, and the verdict; the evidence it comes from is kept beside the record.

        Raises: StoreFailed.
        """
        (result,) = (result for result in results if result.regime is COPIES_IN)
        found = replace(self.unfinished, entry_scan=scan, missing=None)
        if isinstance(gap, GuestFailed):
            found = replace(found, gap_failure=f"{gap.message} ({gap.code})")
        else:
            found = replace(found, train_gap=gap)
        with self.progress.step("retrieval check: comparing with the training split"):
            return self.judged(found, result.draws[0], record)

    def judged(
        self, found: RetrievalReport, tokens_BTHW: NDArray[np.uint32], record: Record
    ) -> RetrievalReport:
        """The same report with all statistics, the evidence they come from, and the verdict."""
        references = self.panel.references_for(record.provenance.submission_sha256) if self.panel else ()
        thresholds = self.panel.thresholds if self.panel else None
        others = reference_logprobs(references, self.store.folder, probes_sha256=self.questions.probes_sha256)
        shared = self.questions.measure(self.sheet.logprobs_R, others, seed=found.seed)
        near, distances_BT, nearest_BT = near_duplicates(
            tokens_BTHW,
            self.train,
            engine=best_engine(),
            near_bits=thresholds.near_bits if thresholds else None,
        )
        found = replace(
            found,
            near_duplicates=near,
            thresholds=thresholds,
            references=(*HOST_REFERENCES, *(each.public_name for each in references)),
        )
        if not shared.tested:
            return replace(found, verdict=Verdict.UNMEASURED, missing=UNTESTED, reasons=without_panel(found))
        evidence = Evidence(
            probes_sha256=self.questions.probes_sha256,
            logprobs_R=self.sheet.logprobs_R.astype(np.float16),
            distances_BT=distances_BT,
            nearest_BT=nearest_BT,
            sources_BT=shared.sources_BT,
            support_BT=shared.support_BT,
            delta_B=np.array(shared.delta_by_window),
        )
        file, sha256 = self.store.save_artifact(record.grade_id, FILE_NAME, evidence.to_bytes())
        found = replace(found, evidence_file=file, evidence_sha256=sha256)
        return _with_verdict(self._with_shared_errors(found, shared, tokens_BTHW), shared)

    def _with_shared_errors(
        self, found: RetrievalReport, shared: SharedErrors, tokens_BTHW: NDArray[np.uint32]
    ) -> RetrievalReport:
        return replace(
            found,
            delta=shared.delta,
            delta_ci=shared.delta_ci,
            delta_by_window=shared.delta_by_window,
            path_share=shared.path_share,
            sources=strongest_sources(
                shared.sources_BT, shared.support_BT, tokens_BTHW, self.train, most=SOURCES
            ),
        )


def open_copy_check(
    train_folder: Path,
    exam: Exam,
    *,
    data_sha256: str,
    panel: Path | None,
    store: Store,
    progress: Progress,
) -> CopyCheck:
    """All that can be known before the entry runs; what takes long is kept in the store and found again.

    Raises: DataInvalid, DependencyMissing, UsageError, StoreFailed.
    """
    require_scipy()  # before the entry runs for hours
    with progress.step(f"checking {train_folder}"):
        train, train_sha256 = _training_clip(train_folder, exam, data_sha256)
    clips = {"data_sha256": data_sha256, "train_sha256": train_sha256}
    chosen = choose_panel(panel, store, progress, **clips)  # before the search, which may take hours too
    questions = questions_for(
        exam.truth, train, folder=store.folder / FOLDER_NAME, **clips, progress=progress
    )
    used = chosen and chosen.that_fits(progress, **clips, probes_sha256=questions.probes_sha256)
    if used:
        used.check_references(store)
    return CopyCheck(
        train=train,
        questions=questions,
        sheet=ProbeSheet(probes=questions.probes),
        panel=used.panel if used else None,
        unfinished=RetrievalReport(
            verdict=Verdict.UNMEASURED,
            missing=INTERRUPTED,
            panel_sha256=used.sha256 if used else None,
            train_name=train.folder.resolve().name,
            train_sha256=train_sha256,
            train_frames=train.num_frames,
            engine=questions.candidates.engine,
            seed=exam.seed,
        ),
        store=store,
        progress=progress,
    )


def _training_clip(folder: Path, exam: Exam, data_sha256: str) -> tuple[Clip, str]:
    """The clip and its digest.

    Raises: DataInvalid; UsageError where it is the graded clip.
    """
    train = open_clip(folder)
    train_sha256 = clip_sha256(train)
    if train_sha256 == data_sha256:
        raise UsageError(
            f"{folder} is the graded clip itself",
            code="usage.train",
            fix="name the clip that entries learn from in --train",
        )
    choose_windows(exam, train, np.random.default_rng(0))  # whether the train gap can be measured
    return train, train_sha256


def _with_verdict(found: RetrievalReport, shared: SharedErrors) -> RetrievalReport:
    findings = Findings(
        delta=shared.delta,
        delta_ci=shared.delta_ci,
        delta_by_window=shared.delta_by_window,
        train_gap=found.train_gap,
        gap_failure=found.gap_failure,
        near_duplicates=found.near_duplicates,
        entry_scan=found.entry_scan,
    )
    judgement = judge(findings, found.thresholds)
    return replace(
        found,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        windows_flagged=judgement.windows_flagged,
        windows_p=judgement.windows_p,
    )
