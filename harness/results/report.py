"""The record of a grade: what was measured, from what, and, if it stopped, whose turn it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from harness.errors import Blame, StoreFailed
from harness.plain import from_plain, to_plain
from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport
from harness.retrieval.report import RetrievalReport
from harness.sandbox.supply import Supply

GATE = "gate"
"""The protocol in which an entry sees a frame only after it has predicted it."""
OPEN = "open"
"""The protocol in which an entry reads the whole clip and prints figures of its own: see docs/open-protocol.md."""
SCORED_AS = Regime.TEMPORALLY_TEACHER_FORCED
"""What logits are scored as that a program of the open protocol saved: each frame predicted from the ones before it."""


class Status(str, Enum):
    """How a grade ended; there is no third way."""

    GRADED = "graded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """Who sent what, as declared in its manifest; None for a zip that was refused before it could be read.

    `email_sha256` is of the address in lower case; it tells two senders apart and is never published.
    `forbidden_reference`: it breaks rule 5 on purpose, to show what the check sees; it never ranks.
    `eligible_for_prize`: false for one that ranks and wants no prize.
    """

    user_name: str | None = None
    entry_name: str | None = None
    description: str | None = None
    training_flops: float | None = None
    external_data: tuple[str, ...] = ()
    claimed_val_loss: float | None = None
    causal: bool = False
    email_sha256: str | None = None
    parameters: float | None = None
    forbidden_reference: bool = False
    eligible_for_prize: bool = True


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a grade stopped, who must act, and how."""

    code: str
    blame: Blame
    message: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Admission:
    """By what right an entry was graded on private data.

    Attributes:
        approved_by, approved_at: who had read these very bytes, and when; None where nobody had (`--no-review`).
        attempt: which one of its entrant's on this data within `days`, from 1 on; other running grades are counted.
        attempts, days: the limit in force; None for both where there was none.
        why_unlimited: why there was none; empty where there was one.
    """

    attempt: int
    approved_by: str | None = None
    approved_at: str | None = None
    attempts: int | None = None
    days: float | None = None
    why_unlimited: str = ""


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """What saved logits are worth by our arithmetic. Whoever wrote them had the truth: it proves nothing of a model.

    Attributes:
        loss, loss_ci, token_accuracy, loss_by_frame, windows: see `harness.scoring.sheet.Scores`. A token counts as
            predicted where both factors have their largest logit: 1X's script does not save the ones it sampled.
            A page has neither interval nor frames, in whose digits a program could write the truth.
        first_frame: the window's frame that `loss_by_frame` begins with.
        logits_sha256: of the file that was saved, which is not kept.
        tokens_file, tokens_sha256: as in `RegimeReport`.
    """

    loss: float
    loss_ci: tuple[float, float] | None
    token_accuracy: float
    loss_by_frame: tuple[float, ...]
    first_frame: int
    windows: int
    logits_sha256: str
    tokens_file: str
    tokens_sha256: str


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """What a program that read the whole clip said of itself; never a score, and never among `regimes`.

    Attributes:
        self_reported: the figures that it printed, as it printed them.
        rescored: None where it saved no logits, or none that could be scored.
        not_rescored: why its saved logits were not scored; None where they were, and where nobody asked for them.
    """

    self_reported: Mapping[str, float]
    rescored: Rescored | None
    not_rescored: Failure | None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything needed to make the same grade again; None where the grade stopped before it was known.

    Attributes:
        submission_sha256: of the zip.
        entry_tree_sha256, entry_bytes, entry_files: of `/entry` after its build.
        build_s: what its build.sh took when it ran; a built entry is found again, so `durations_s` may say less.
        base_image: digest of the image it ran in, None in the process sandbox.
        data_sha256: of the graded clip, `data_name` its folder's name.
        schedule: which windows; `order_leaks` says that their order breaks the reveal rule (comparison only).
        supply: what build.sh made of the entry, and what came over the network; older records have None.
        inventory_file, inventory_sha256: the artifact that lists every file of the built entry, below the store.
        sandbox: docker or process; `sandbox_details` says more of the machine's. Of a resumed grade it says which
            regime saw what, where that differs.
        sandbox_policy: the whole policy as it was in force, as plain JSON; empty in older records.
        limits: the gate's, in seconds and windows.
        max_windows: only the first so many windows were graded; None for all.
        samples: how often the fully autoregressive regime was asked.
        codec, codec_sha256: what decoded the pictures, None where nothing did; `lpips_sha256` is of LPIPS' weights.
        durations_s: wall time per stage.
        scoring_version: see `harness.exam.SCORING_VERSION`; records from before it was kept have 1.
        admission: who had read the zip, and the limit; None for public data, and for grades from before it was kept.
        resumes: how often the grade went on in another process, after the harness was killed or interrupted.
        resumed_from: the grade that this one went on with: its finished regimes were taken over, with their files in
            its folder. It ended by no fault of the entry. None where this one was begun by itself.
        protocol: `GATE`, or `OPEN` for a program that had the truth before it; records from before have GATE.
    """

    harness_version: str
    git_commit: str | None
    spec_version: str
    gate_version: int
    seed: int
    schedule: str
    sandbox: str
    sandbox_details: Mapping[str, str]
    limits: Mapping[str, float]
    max_windows: int | None = None
    submission_sha256: str | None = None
    entry_tree_sha256: str | None = None
    entry_bytes: int | None = None
    entry_files: int | None = None
    build_s: float | None = None
    base_image: str | None = None
    data_name: str | None = None
    data_sha256: str | None = None
    order_leaks: bool | None = None
    samples: int = 1
    codec: str | None = None
    codec_sha256: str | None = None
    lpips_sha256: str | None = None
    supply: Supply | None = None
    inventory_file: str | None = None
    inventory_sha256: str | None = None
    sandbox_policy: Mapping[str, Any] = field(default_factory=dict)
    durations_s: Mapping[str, float] = field(default_factory=dict)
    scoring_version: int = 1
    admission: Admission | None = None
    resumes: int = 0
    resumed_from: str | None = None
    protocol: str = GATE


@dataclass(frozen=True, kw_only=True)
class GradeReport:
    """One terminal record; `regimes` has every regime as a key, None where it was not graded.

    `open_run` is None but for the open protocol, whose grades have no regimes.

    `retrieval` is None where the entry was not checked for copying the training set. `regrade_of` is the id of the
    grade whose answers were scored again, None where the entry was run; its artifacts lie in that grade's folder.
    """

    grade_id: str
    finished_at: str
    status: Status
    entry: EntryFacts
    regimes: Mapping[Regime, RegimeReport | None]
    failure: Failure | None
    provenance: Provenance
    retrieval: RetrievalReport | None = None
    regrade_of: str | None = None
    open_run: OpenRun | None = None

    @property
    def is_of_nobody(self) -> bool:
        """Whether nobody can tell whose it is: its zip, or the manifest in it, could not be read."""
        return self.failure is not None and self.failure.blame is Blame.ENTRY and self.entry.user_name is None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and texts."""
        return cast("dict[str, Any]", to_plain(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GradeReport:
        """The inverse of `to_json`; keys a newer harness added are ignored, those it lacks have their defaults.

        Raises: StoreFailed when something without a default is missing.
        """
        try:
            return from_plain(cls, value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreFailed(
                f"this is not a grade's record: {error!r}",
                code="store.bad_record",
                fix="grade again with this version of wmc, or read the record with the version that wrote it",
            ) from error
