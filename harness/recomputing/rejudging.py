"""The retrieval check once more, from the evidence that a grade kept; nothing is run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.copying.copy_check import CopyCheck
from harness.errors import StoreFailed, UsageError
from harness.recomputing.rescoring import Answers
from harness.results.record import Record
from harness.results.store import Store
from harness.retrieval.evidence import read_evidence
from harness.retrieval.report import RetrievalReport


def judged_again(
    kept: RetrievalReport, answers: Answers, check: CopyCheck, record: Record, *, store: Store
) -> RetrievalReport:
    """What `check` finds in the evidence and answers of an earlier grade in `store`.

    What only the entry itself could say again, its train gap and its files, is taken as it was kept. The check's own
    store gets the evidence of the new report.
    Raises: StoreFailed where there is no evidence, or where it answers other questions than `check` asks;
    UsageError where that is of another training clip.
    """
    if check.unfinished.train_sha256 != kept.train_sha256:
        raise UsageError(
            f"{check.train.folder} is not the training clip of this grade, which is {kept.train_name} "
            f"({kept.train_sha256})",
            code="usage.train",
            fix="name that clip in --train, or leave --train out",
        )
    if kept.evidence_file is None or kept.evidence_sha256 is None:
        raise StoreFailed(
            f"this grade kept no evidence: {kept.missing or 'it is too old'}",
            code="store.evidence_missing",
            fix="grade the entry again with --train, or leave --train out",
        )
    evidence = read_evidence(store.folder / kept.evidence_file, sha256=kept.evidence_sha256)
    if evidence.probes_sha256 != check.questions.probes_sha256:
        raise StoreFailed(
            "the evidence answers other questions than this version of wmc asks",
            code="store.other_probes",
            fix="use the version of wmc that the record names, grade again with --train, or leave --train out",
        )
    check.sheet.logprobs_R = evidence.logprobs_R.astype(np.float32)
    found = replace(
        check.unfinished,
        entry_scan=kept.entry_scan,
        train_gap=kept.train_gap,
        gap_failure=kept.gap_failure,
        seed=kept.seed,
        missing=None,
    )
    return check.judged(found, answers.tokens_BTHW, record)
