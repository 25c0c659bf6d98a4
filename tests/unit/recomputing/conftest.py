"""A graded store without a guest: answers of our own making, scored and kept as a grade does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.copying.copy_check import open_copy_check
from harness.data.clips import clip_sha256
from harness.data.windows import Schedule
from harness.exam import SCORING_VERSION, Exam, Result, interval_rng, set_exam
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.protocol.host import Timing
from harness.protocol.regimes import Regime
from harness.protocol.replies import Terms
from harness.reporting import regime_report
from harness.results.record import Record
from harness.results.report import EntryFacts, GradeReport, Provenance
from harness.results.store import Store
from harness.retrieval.report import EntryScan, TrainGap
from harness.scoring.sheet import ScoreSheet
from harness.scoring.state_probe import StateProbe

FAR, TTF = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED
SEED = 3


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One grade in a store, and the clips it is of; `train` None where it was not checked for copying."""

    store: Store
    report: GradeReport
    data: Path
    train: Path | None

    @property
    def grade_id(self) -> str:
        return self.report.grade_id

    def file(self, name: str) -> Path:
        return self.store.grade_folder(self.grade_id) / name


def answered(exam: Exam, regime: Regime, rng: np.random.Generator) -> ScoreSheet:
    """A sheet with random losses, and a third of the tokens wrong."""
    sheet = ScoreSheet(num_windows=exam.num_windows, targets=regime.targets())
    windows_B = np.arange(exam.num_windows)
    true_BTHW = np.stack([exam.truth.tokens_at(windows_B, t) for t in regime.targets()], axis=1)
    sheet.nats_BTHW = rng.gamma(2.0, 4.0, true_BTHW.shape)
    sheet.tokens_BTHW = np.where(rng.random(true_BTHW.shape) < 1 / 3, true_BTHW ^ np.uint32(1), true_BTHW)
    sheet.correct_BTHW = sheet.tokens_BTHW == true_BTHW
    return sheet


def result_of(exam: Exam, regime: Regime, sheets: tuple[ScoreSheet, ...]) -> Result:
    return Result(
        regime=regime,
        scores=sheets[0].total(interval_rng(SEED, regime)),
        sheets=sheets,
        timing=Timing(total_s=1.0, frames=10, replies_s=np.array([0.1, 0.2])),
        terms=Terms(max_batch=2, causal=False, logits_dtype="<f4"),
        batch=2,
        state_probe=StateProbe(
            windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
        ),
    )


def graded(store: Store, data: Path, train: Path | None) -> GradeReport:
    """Two draws imagined, one teacher-forced; with a training clip the retrieval check as well."""
    rng = np.random.default_rng(0)
    exam = set_exam(data, Schedule.DISJOINT, SEED, samples=2)
    record = Record(
        provenance=Provenance(
            harness_version="0",
            git_commit=None,
            spec_version="1",
            gate_version=1,
            seed=SEED,
            schedule=Schedule.DISJOINT.value,
            sandbox="process",
            sandbox_details={},
            limits=asdict(Limits()),
            samples=2,
            submission_sha256="ab" * 32,
            data_name=data.name,
            data_sha256=clip_sha256(exam.clip),
            scoring_version=SCORING_VERSION,
        ),
        entry=EntryFacts(user_name="ann", entry_name="dice"),
    )
    with record.kept_in(store):
        check = None
        if train:
            check = open_copy_check(
                train,
                exam,
                data_sha256=str(record.provenance.data_sha256),
                panel=None,
                store=store,
                progress=Silent(),
            )
        for regime in (FAR, TTF):
            sheets = tuple(answered(exam, regime, rng) for _ in range(exam.draws(regime)))
            kept = [
                store.save_tokens(
                    record.grade_id,
                    f"{regime.value}{number}",
                    nats_BTHW=sheet.nats_BTHW,
                    tokens_BTHW=sheet.tokens_BTHW,
                    starts_B=exam.truth.starts,
                )
                for number, sheet in enumerate(sheets)
            ]
            result = result_of(exam, regime, sheets)
            record.regimes[regime] = regime_report(result, kept)
        if check:
            check.sheet.logprobs_R = -16 * rng.random(len(check.questions.probes.cells_R)).astype(np.float32)
            gap = TrainGap(
                gap=0.1, gap_ci=(0.0, 0.2), heldout_loss=9.0, train_loss=8.9, windows=2, flipped_bits=0.08
            )
            scan = EntryScan(size_bytes=10, num_files=1, sent_bytes=10)
            record.retrieval = check.report([result.predicted], gap, scan, record)
    return record.report


@pytest.fixture
def keep(make_clip: Callable[..., Path], tmp_path: Path) -> Callable[..., Kept]:
    """Grades into a new store; `check_copies` says whether with the retrieval check."""

    def run(*, check_copies: bool = False) -> Kept:
        data = make_clip(name="heldout")
        train = make_clip((226,) * 5, hold=15, name="train") if check_copies else None
        store = Store(tmp_path / "store")
        return Kept(store=store, report=graded(store, data, train), data=data, train=train)

    return run


@pytest.fixture
def kept(keep: Callable[..., Kept]) -> Kept:
    """A grade without the retrieval check."""
    return keep()
