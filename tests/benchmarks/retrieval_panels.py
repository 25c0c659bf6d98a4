"""Honest entries as a panel, and what it says of others: with the harness's own panel and verdict.

A subject is judged by the honest entries of other runs only, as a submission would be: nothing that was trained with
it, or that it was mixed from, is a reference or sets a threshold.

Axes: R probes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from retrieval_answers import Answers

from harness.data.clips import Clip
from harness.retrieval.near_duplicates import near_duplicates
from harness.retrieval.panel import HonestEntry, thresholds_of
from harness.retrieval.questions import Questions
from harness.retrieval.report import NearDuplicates, Thresholds
from harness.retrieval.verdict import Findings, Judgement, judge

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Something to judge.

    Attributes:
        name: unique.
        run: what it shares with entries that were trained with it; none of those judges it.
        architecture: of its honest part.
    """

    name: str
    run: str
    architecture: str
    answers: Answers


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one subject shows, given some references."""

    delta: float
    delta_ci: tuple[float, float]
    delta_by_window: tuple[float, ...]
    path_share: float
    near_distances: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Court:
    """All honest entries of one split; `folder` keeps what was measured."""

    questions: Questions
    train: Clip
    members: tuple[Subject, ...]
    folder: Path

    def panel(self, *, without: Callable[[Subject], bool]) -> tuple[Subject, ...]:
        """The members that are not left out, best loss first."""
        left = [each for each in self.members if not without(each)]
        return tuple(sorted(left, key=lambda each: each.answers.loss))

    def measure(self, subject: Subject, panel: Sequence[Subject]) -> Measured:
        """Adjusted for the panel's references of other runs: the best and the median, as `wmc retrieval calibrate`."""
        references = [each for each in references_of(panel) if each.run != subject.run]
        key = "+".join([subject.name, *(each.name for each in references)]).replace("/", "_")
        path = self.folder / f"{key}.json"
        if path.exists():
            return Measured(**json.loads(path.read_text()))
        found = self.questions.measure(
            subject.answers.probes_R, [each.answers.probes_R for each in references], seed=SEED
        )
        measured = Measured(
            delta=found.delta,
            delta_ci=found.delta_ci,
            delta_by_window=found.delta_by_window,
            path_share=found.path_share,
            near_distances=self._near(subject),
        )
        path.write_text(json.dumps(vars(measured)))
        return measured

    def thresholds(self, panel: Sequence[Subject]) -> Thresholds:
        """What this panel calls too much."""
        return thresholds_of([_honest(each, self.measure(each, panel)) for each in panel])

    def _near(self, subject: Subject) -> tuple[int, ...]:
        _, distances_BT, _ = near_duplicates(subject.answers.tokens_BTHW, self.train)
        return tuple(np.sort(distances_BT, axis=None).tolist())


def references_of(panel: Sequence[Subject]) -> list[Subject]:
    """The best and the median by loss; the panel is sorted by it."""
    return [panel[0], panel[len(panel) // 2]]


def judged(measured: Measured, thresholds: Thresholds) -> Judgement:
    """The harness's verdict; there is no train gap here and no scan of files."""
    distances: NDArray[np.int64] = np.asarray(measured.near_distances)
    near = NearDuplicates(
        bits_quantiles=(), frames=len(distances), share=float(np.mean(distances < thresholds.near_bits))
    )
    return judge(
        Findings(
            delta=measured.delta,
            delta_ci=(measured.delta_ci[0], measured.delta_ci[1]),
            delta_by_window=tuple(measured.delta_by_window),
            near_duplicates=near,
        ),
        thresholds,
    )


def _honest(subject: Subject, measured: Measured) -> HonestEntry:
    return HonestEntry(
        grade_id=subject.name,
        entry_name=subject.name,
        submission_sha256="",
        finished_at="",
        loss=subject.answers.loss,
        delta=measured.delta,
        delta_ci=(measured.delta_ci[0], measured.delta_ci[1]),
        delta_by_window=tuple(measured.delta_by_window),
        train_gap=None,
        near_distances=tuple(measured.near_distances),
    )
