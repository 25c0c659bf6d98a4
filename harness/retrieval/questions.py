"""What every entry is asked on one graded split against one training split, and what an answer is worth.

A grade and a panel use the same, so that a grade's figures can be compared with the panel's.

Axes: M references, R probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.truth import ClipTruth
from harness.errors import StoreFailed
from harness.progress import Progress
from harness.retrieval.copycoef import SharedErrors, shared_errors
from harness.retrieval.neighbours import Candidates, candidates_for
from harness.retrieval.probes import Probes, probes_of
from harness.retrieval.references import references_for

FOLDER_NAME = "retrieval"
"""Of the folder in a store where candidates and counts are kept for later grades; it can be removed."""


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The questions of one split, and what the host itself would answer.

    Attributes:
        candidates: training frames that a copier might show.
        probes: the wrong values that they propose.
        host_MR: float32, what the host's own references think of the probes.
    """

    candidates: Candidates
    probes: Probes
    host_MR: NDArray[np.float32]

    @property
    def probes_sha256(self) -> str:
        """Answers to questions with the same digest can be compared."""
        return self.probes.sha256

    def measure(
        self, logprobs_R: NDArray[np.floating], others: Sequence[NDArray[np.floating]], *, seed: int
    ) -> SharedErrors:
        """What an entry's answers show, adjusted for the host's references and these `[R]` others.

        Answers are rounded to float16 first, as evidence keeps them, so that a grade and a panel find the same.
        """
        host = len(self.host_MR)
        # Filled in place: at full size it is more than a GiB, and a second copy would be as much again.
        references_MR = np.empty((host + len(others), len(logprobs_R)), np.float32)
        references_MR[:host] = self.host_MR
        for reference_R, answers_R in zip(references_MR[host:], others, strict=True):
            reference_R[:] = answers_R.astype(np.float16)
        return shared_errors(
            probes=self.probes,
            logprobs_R=logprobs_R.astype(np.float16).astype(np.float32),
            references_MR=references_MR,
            candidates=self.candidates,
            rng=np.random.default_rng(seed),
        )


def questions_for(
    truth: ClipTruth,
    train: Clip,
    *,
    folder: Path,
    data_sha256: str,
    train_sha256: str,
    progress: Progress,
) -> Questions:
    """The questions about these windows; what is dear to find is kept in `folder` and found again there.

    Raises: StoreFailed where the folder cannot be written.
    """
    try:
        candidates = candidates_for(
            truth, train, folder=folder, train_sha256=train_sha256, data_sha256=data_sha256, progress=progress
        )
    except OSError as error:
        raise StoreFailed(
            f"{folder} cannot be written: {error.strerror or error}",
            fix="name a store that can be written, with free space, in --store",
        ) from error
    with progress.step("collecting what they would show"):
        probes = probes_of(truth, candidates)
    host_MR = references_for(
        truth, train, candidates, probes, folder=folder, train_sha256=train_sha256, progress=progress
    )
    return Questions(candidates=candidates, probes=probes, host_MR=host_MR)
