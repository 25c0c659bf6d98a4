"""The panel: what graded entries that are known to be honest show, and with it what is too much.

It is made by `wmc retrieval calibrate`, belongs to the organiser, and is never published: it names private references.

One rule serves delta, its windows and the train gap: the largest honest value plus three sample standard deviations.
Effect sizes are compared with effect sizes; a test against zero would reject honest models, which are misfit too.

Axes: R probes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreFailed, UsageError
from harness.plain import from_plain, to_plain
from harness.retrieval.evidence import read_evidence
from harness.retrieval.packing import TOKEN_BITS
from harness.retrieval.report import Thresholds, TrainGap
from harness.spec import CHALLENGE

CHECK_VERSION = 1
"""Of how statistics are computed: raised with every change, for a panel of another version measured otherwise."""

LEAST_HONEST = 3
"""Fewer honest entries have no spread worth the name."""

SPREADS = 3.0
"""Standard deviations between the largest honest value and what is too much."""

LEAST_SPREAD = 0.05
"""In spreads of answers: a few entries, or checkpoints of one run, may agree by chance."""

WINDOWS_P = 0.01
"""A number of flagged windows less likely than this calls for review."""

NEAR_QUANTILE = 0.001
"""Of the distances of honest predictions to the training set; closer than it is a near-duplicate."""

NEAR_AT_MOST = 0.05
"""Of a frame's bits. Further away is no duplicate, whatever honest entries do: two takes of one place are nearer than
8%, and blurred honest predictions begin at 11% (tests/benchmarks/README.md)."""

_NORMAL_95 = 1.96
"""Standard errors from the middle of a 95% interval to its end."""

PRIVATE = "private"
"""What reports call a private reference."""


@dataclass(frozen=True, kw_only=True)
class HonestEntry:
    """What one honest entry shows, measured with the panel's references, itself left out of them.

    Attributes:
        grade_id, entry_name, submission_sha256, finished_at: as its record says.
        loss: temporally teacher-forced, in nats per token.
        delta, delta_ci, delta_by_window: see `RetrievalReport`.
        train_gap: None where it was not measured.
        near_distances: bits from each predicted frame to the nearest training frame, ascending.
    """

    grade_id: str
    entry_name: str
    submission_sha256: str
    finished_at: str
    loss: float
    delta: float
    delta_ci: tuple[float, float]
    delta_by_window: tuple[float, ...]
    train_gap: TrainGap | None
    near_distances: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A graded honest entry that every delta is adjusted for.

    Attributes:
        grade_id, entry_name, submission_sha256: as its record says.
        private: used, and never named in a report or on the page.
        evidence_file, evidence_sha256: its evidence, below the store that it was graded into.
    """

    grade_id: str
    entry_name: str
    submission_sha256: str
    private: bool
    evidence_file: str
    evidence_sha256: str

    @property
    def public_name(self) -> str:
        """What a report calls it."""
        return PRIVATE if self.private else f"{self.entry_name} ({self.grade_id})"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Honest entries and references of one graded split, one training split and one set of probes.

    Attributes:
        made_at, harness_version, check_version: when, by which harness, and by which version of the statistics.
        data_sha256, train_sha256, probes_sha256: what grades it can judge.
        seed: of the bootstrap.
        references: the first is the best.
        honest: the entries whose statistics set the thresholds, best loss first.
    """

    made_at: str
    harness_version: str
    check_version: int
    data_sha256: str
    train_sha256: str
    probes_sha256: str
    seed: int
    references: tuple[Reference, ...]
    honest: tuple[HonestEntry, ...]

    @property
    def thresholds(self) -> Thresholds:
        """What is too much."""
        return thresholds_of(self.honest)

    def references_for(self, submission_sha256: str | None) -> tuple[Reference, ...]:
        """The references that a grade of this submission is adjusted for: not itself, which would explain it all."""
        return tuple(each for each in self.references if each.submission_sha256 != submission_sha256)

    def fits(self, *, data_sha256: str, train_sha256: str, probes_sha256: str | None) -> str | None:
        """Why this panel cannot judge a grade on this data; None where it can, as far as the digests are known."""
        if self.check_version != CHECK_VERSION:
            return "the panel was calibrated by another version of the check, which measures otherwise"
        if data_sha256 != self.data_sha256:
            return f"the panel is of other graded data (sha256 {self.data_sha256[:12]})"
        if train_sha256 != self.train_sha256:
            return f"the panel is of another training split (sha256 {self.train_sha256[:12]})"
        if probes_sha256 not in {None, self.probes_sha256}:
            return (
                "the panel was made of other windows, or by a version of the check that probes other values"
            )
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        plain: dict[str, Any] = to_plain(self)
        return plain


def read_panel(path: Path) -> Panel:
    """The panel in a file.

    Raises: UsageError where there is no such file, StoreFailed where it is not a panel.
    """
    fix = "make it with `wmc retrieval calibrate`, or name another file"
    try:
        plain = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
        panel = from_plain(Panel, plain)
        if not all(each.near_distances and each.delta_by_window for each in panel.honest):
            raise ValueError("an entry without windows")
        thresholds_of(panel.honest)  # what cannot be computed is found before an entry runs for hours
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", code="usage.no_panel", fix=fix
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreFailed(f"{path} is not a panel: {error!r}", code="store.bad_panel", fix=fix) from error
    return panel


def _finite(text: str) -> float:
    if not math.isfinite(figure := float(text)):
        raise ValueError(f"{text} is no figure of a panel")
    return figure


def reference_logprobs(
    references: Sequence[Reference], store_folder: Path, *, probes_sha256: str
) -> list[NDArray[np.float16]]:
    """The log-probabilities of each reference at the probed values: float16 [R] each, in order.

    Raises: StoreFailed where the evidence of one is not in the store, or is of other probes.
    """
    return [_answers(each, store_folder, probes_sha256) for each in references]


def _answers(reference: Reference, store_folder: Path, probes_sha256: str) -> NDArray[np.float16]:
    try:
        evidence = read_evidence(store_folder / reference.evidence_file, sha256=reference.evidence_sha256)
    except StoreFailed as error:
        raise StoreFailed(
            f"what the panel's reference {reference.grade_id} answered is lost: {error.message}",
            code=error.code,
            fix="grade into the store that the panel was calibrated in, restore that from a copy, or calibrate again",
        ) from error
    if evidence.probes_sha256 != probes_sha256:
        raise StoreFailed(
            f"the panel's reference {reference.grade_id} was probed at other values than this grade",
            code="store.other_probes",
            fix="grade the panel's entries again with this version of wmc, and calibrate again",
        )
    return evidence.logprobs_R


def thresholds_of(honest: Sequence[HonestEntry]) -> Thresholds:
    """What is too much, given at least `LEAST_HONEST` honest entries.

    Deltas spread by `LEAST_SPREAD` at least, train gaps by the median standard error of one, for another seed asks
    other windows. The best model has none of its quality to be adjusted for and therefore a large delta, as a
    newcomer that is better than all of them would have: it sets the threshold rightly.

    A window is flagged when its delta is above the largest honest window's plus three standard deviations of all
    honest windows, pooled. No honest window is above it, so the rate at which honest windows would be is taken as one
    in one more than there are: no smaller rate is supported by them.

    A predicted frame is a near-duplicate when it is closer to a training frame than all but 0.1% of the honest
    predictions, and than `NEAR_AT_MOST` of its bits. Too many are more than the largest honest share and one window
    more: a window that stands still makes all its frames near-duplicates at once.

    Raises: ValueError with fewer entries.
    """
    if len(honest) < LEAST_HONEST:
        raise ValueError(f"{len(honest)} honest entries have no spread")
    deltas = [each.delta for each in honest]
    delta_sd = max(float(np.std(deltas, ddof=1)), LEAST_SPREAD)
    windows = [delta for each in honest for delta in each.delta_by_window]
    gaps = [each.train_gap for each in honest if each.train_gap is not None]
    nearest = np.quantile(np.concatenate([each.near_distances for each in honest]), NEAR_QUANTILE)
    near_bits = min(float(nearest), NEAR_AT_MOST * TOKEN_BITS * CHALLENGE.tokens_per_frame)
    shares = [float(np.mean(np.asarray(each.near_distances) < near_bits)) for each in honest]
    return Thresholds(
        delta_max=max(deltas),
        delta_sd=delta_sd,
        delta_copied=max(deltas) + SPREADS * delta_sd,
        window_delta=max(windows) + SPREADS * float(np.std(windows, ddof=1)),
        window_rate=1 / (len(windows) + 1),
        windows_p=WINDOWS_P,
        train_gap=_large_gap(gaps) if len(gaps) >= LEAST_HONEST else None,
        near_bits=near_bits,
        near_share=max(shares) + max(1 / len(each.delta_by_window) for each in honest),
        honest=len(honest),
    )


def _large_gap(gaps: Sequence[TrainGap]) -> float:
    standard_error = float(np.median([each.gap_ci[1] - each.gap_ci[0] for each in gaps])) / (2 * _NORMAL_95)
    spread = float(np.std([each.gap for each in gaps], ddof=1))
    return max(each.gap for each in gaps) + SPREADS * max(spread, standard_error)
