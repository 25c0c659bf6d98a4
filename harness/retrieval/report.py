"""What the retrieval check found, as a grade's record keeps it.

Axes: B graded windows, T predicted frames of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from harness.protocol.regimes import Regime

COPIES_IN = Regime.TEMPORALLY_TEACHER_FORCED
"""Where copies are looked for: the regime that ranks, in which every frame but the last can be looked up."""


class Verdict(str, Enum):
    """What the check says; a person decides what follows from it."""

    CLEAR = "clear"
    REVIEW = "review"
    COPIED = "copied"
    UNCALIBRATED = "uncalibrated"
    """There is no panel of honest entries to compare with."""
    UNMEASURED = "unmeasured"
    """There are no statistics; `missing` says why."""


@dataclass(frozen=True, kw_only=True)
class TrainGap:
    """How much better the entry knows the training set: losses in nats per token, contexts with the same noise.

    Attributes:
        gap, gap_ci: held-out loss minus training loss, with its 95% bootstrap interval, clustered by window.
        heldout_loss, train_loss: temporally teacher-forced.
        windows: of each kind.
        flipped_bits: share of the contexts' bits that were flipped.
    """

    gap: float
    gap_ci: tuple[float, float]
    heldout_loss: float
    train_loss: float
    windows: int
    flipped_bits: float


@dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """How close predicted frames come to a training frame, in bits of 4,608.

    Attributes:
        bits_quantiles: the 0, 0.1, 1, 10 and 50% quantiles of the distance to the nearest training frame.
        frames: how many were predicted.
        share: of frames closer than the panel's threshold; None without a panel.
    """

    bits_quantiles: tuple[float, ...]
    frames: int
    share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A training frame whose mistakes one prediction shares most.

    Attributes:
        window, frame: which prediction: the graded window and its frame t.
        train_segment, train_offset, train_frame: the segment's id, the frame's place in it, and in the whole split.
        support: extra nats that the prediction gives to this frame's mistakes, on the half that did not choose it.
        bits: in which the predicted tokens differ from it.
    """

    window: int
    frame: int
    train_segment: int
    train_offset: int
    train_frame: int
    support: float
    bits: int


@dataclass(frozen=True, kw_only=True)
class SourcePicture:
    """Prediction, truth and suspected source side by side.

    Attributes:
        window, frame, train_frame: as in `Source`.
        file, sha256: the artifact, below the store, and its digest.
        width, height: in pixels.
    """

    window: int
    frame: int
    train_frame: int
    file: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class EntryFile:
    """One file of a built entry. Its name is the entrant's own text: escape it before it is shown."""

    path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Training frames that touch each other in a file of the entry, in any order.

    Attributes:
        path, offset: the file and where in it they begin, in bytes.
        layout: how they are stored, see `harness.retrieval.frame_layouts`.
        frames: how many they are.
        train_frame: which frame of the training split the first one is.
    """

    path: str
    offset: int
    layout: str
    frames: int
    train_frame: int


@dataclass(frozen=True, kw_only=True)
class EntryScan:
    """What a built entry holds.

    Attributes:
        size_bytes, num_files: all of it.
        sent_bytes: what the submission itself unpacks to; the rest was added by build.sh.
        parameters: declared in its manifest, None if it declares none.
        largest: files, the largest first.
        runs: training frames that were found in it, the longest first; None where files were not searched.
        missing: why they were not searched.
    """

    size_bytes: int
    num_files: int
    sent_bytes: int
    parameters: float | None = None
    largest: tuple[EntryFile, ...] = ()
    runs: tuple[TrainingRun, ...] | None = None
    missing: str | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What the verdict was measured against; all of it comes from the panel of honest entries.

    Attributes:
        delta_max, delta_sd: the largest honest delta and the spread of honest deltas, at least a floor of the panel's.
        delta_copied: `delta_max + 3 delta_sd`.
        window_delta: a window above it is flagged.
        window_rate: the share of honest windows above it, at least.
        windows_p: a number of flagged windows less likely than this calls for review.
        train_gap: the largest honest gap plus three times their spread, which is at least what one gap is uncertain
            by; None where the panel measured none.
        near_bits: a predicted frame closer to a training frame than this is a near-duplicate.
        near_share: the largest honest share of them, and one window more.
        honest: how many honest entries.
    """

    delta_max: float
    delta_sd: float
    delta_copied: float
    window_delta: float
    window_rate: float
    windows_p: float
    train_gap: float | None
    near_bits: float
    near_share: float
    honest: int

    @property
    def delta_outlying(self) -> float:
        """An interval of delta that is wholly above it calls for review."""
        return self.delta_max + self.delta_sd


@dataclass(frozen=True, kw_only=True)
class RetrievalReport:
    """The check of one entry on one split against one training split; None where something was not measured.

    Attributes:
        verdict: with its `reasons`, a sentence each.
        delta, delta_ci: extra nats given to a source's mistake, in spreads of the entry's answers, with its 95% cluster
            bootstrap interval.
        delta_by_window: the same for each graded window.
        windows_flagged: how many windows' delta no honest entry's window shows; `windows_p` its binomial tail.
        train_gap, near_duplicates, entry_scan: see there.
        gap_failure: how the entry failed while its train gap was measured.
        path_share: of consecutive predictions whose sources follow each other in one segment, a stride apart.
        sources: the strongest first.
        pictures: of some of them.
        thresholds: None without a panel.
        references: the honest predictors that delta is adjusted for; private ones are called so.
        panel_sha256: of the panel file.
        train_name, train_sha256, train_frames: the training split.
        engine: what searched it.
        seed: of all that was drawn.
        evidence_file, evidence_sha256: what the statistics were computed from, below the store.
        missing: why there are no statistics.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    delta: float | None = None
    delta_ci: tuple[float, float] | None = None
    delta_by_window: tuple[float, ...] = ()
    windows_flagged: int | None = None
    windows_p: float | None = None
    train_gap: TrainGap | None = None
    gap_failure: str | None = None
    near_duplicates: NearDuplicates | None = None
    path_share: float | None = None
    sources: tuple[Source, ...] = ()
    pictures: tuple[SourcePicture, ...] = ()
    entry_scan: EntryScan | None = None
    thresholds: Thresholds | None = None
    references: tuple[str, ...] = ()
    panel_sha256: str | None = None
    train_name: str | None = None
    train_sha256: str | None = None
    train_frames: int | None = None
    engine: str | None = None
    seed: int = 0
    evidence_file: str | None = None
    evidence_sha256: str | None = None
    missing: str | None = None
