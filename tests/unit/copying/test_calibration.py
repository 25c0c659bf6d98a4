"""A panel is made of a store: members are measured alike, with each one left out of its own references."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import main
from harness.copying.calibration import calibrate, panel_of
from harness.data.clips import clip_sha256, open_clip, write_clip
from harness.data.windows import Schedule
from harness.errors import StoreFailed, UsageError
from harness.exam import set_exam
from harness.progress import Silent
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.members import Members, Request, evidence_file
from harness.results.regime_report import RegimeReport
from harness.results.report import EntryFacts, GradeReport, Provenance, Status
from harness.results.store import Store
from harness.retrieval.evidence import Evidence, read_evidence
from harness.retrieval.leave_one_out import judged_by_the_others
from harness.retrieval.panel import Panel, read_panel, reference_logprobs
from harness.retrieval.questions import FOLDER_NAME, Questions, questions_for
from harness.retrieval.report import RetrievalReport, TrainGap, Verdict
from harness.retrieval.verdict import Findings, judge
from harness.scoring.state_probe import StateProbe

GAP = TrainGap(gap=0.1, gap_ci=(0.0, 0.2), heldout_loss=9.0, train_loss=8.9, windows=4, flipped_bits=0.08)


def graded(
    number: int,
    *,
    data_sha256: str = "d",
    train_sha256: str = "e",
    evidence_file: str = "x",
    evidence_sha256: str = "0",
) -> GradeReport:
    """A checked grade: the larger its number the larger its loss."""
    regime = RegimeReport(
        loss=8.0 + number, loss_ci=(0.0, 1.0), token_accuracy=0.5, loss_by_frame=(), first_frame=1, windows=4,
        seconds_per_frame=0.1, reply_s_median=0.1, reply_s_p95=0.2, batch=2, logits_dtype="<f4", tokens_file="x",
        tokens_sha256="0", state_probe=StateProbe(
            windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
        ),
    )  # fmt: skip
    return GradeReport(
        grade_id=f"g{number}",
        finished_at="2025-01-01T00:00:00+00:00",
        status=Status.GRADED,
        entry=EntryFacts(user_name="ada", entry_name=f"[red]entry{number}"),
        regimes=dict.fromkeys(DISCLOSURE_ORDER) | {Regime.TEMPORALLY_TEACHER_FORCED: regime},
        failure=None,
        provenance=Provenance(
            harness_version="0", git_commit=None, spec_version="1", gate_version=1, seed=0, schedule="disjoint",
            sandbox="process", sandbox_details={}, limits={}, data_sha256=data_sha256,
            submission_sha256=f"{number:064d}",
        ),
        retrieval=RetrievalReport(
            verdict=Verdict.UNCALIBRATED, train_gap=GAP, train_sha256=train_sha256, evidence_file=evidence_file,
            evidence_sha256=evidence_sha256,
        ),
    )  # fmt: skip


def evidence(logprobs_R: np.ndarray, *, probes_sha256: str = "p", windows: int = 2) -> Evidence:
    shape = (windows, 15)
    return Evidence(
        probes_sha256=probes_sha256,
        logprobs_R=logprobs_R.astype(np.float16),
        distances_BT=np.arange(500, 500 + 15 * windows, dtype=np.int32)[::-1].reshape(shape),
        nearest_BT=np.zeros(shape, np.int64),
        sources_BT=np.zeros(shape, np.int64),
        support_BT=np.zeros(shape),
        delta_B=np.zeros(windows),
    )


@dataclass(frozen=True, kw_only=True)
class Delta:
    delta: float
    delta_ci: tuple[float, float] = (0.0, 1.0)
    delta_by_window: tuple[float, ...] = (0.0, 0.5)


@dataclass(kw_only=True)
class Listening:
    """Questions that note who is measured against whom; an entry's delta is its first value."""

    probes_sha256: str = "p"
    asked: list[tuple[float, list[float]]] = field(default_factory=list)

    def measure(self, logprobs_R: np.ndarray, others: Sequence[np.ndarray], *, seed: int) -> Delta:
        self.asked.append((float(logprobs_R[0]), [float(other[0]) for other in others]))
        return Delta(delta=float(logprobs_R[0]))


def panel(questions: Any, *, private: frozenset[str] = frozenset()) -> Panel:
    """Of four entries, of which the first and the third are references."""
    honest = tuple(graded(number) for number in range(4))
    members = Members(honest=honest, references=(honest[0], honest[2]), private=private)
    kept = {report.grade_id: evidence(np.full(3, -number)) for number, report in enumerate(honest)}
    return panel_of(
        members,
        lambda report: kept[report.grade_id],
        questions,
        data_sha256="d",
        train_sha256="e",
        advance=lambda _amount=1, /: None,
    )


def test_every_member_is_measured_against_the_references_but_itself() -> None:
    questions = Listening()
    panel(questions)
    assert questions.asked == [(0, [-2]), (-1, [0, -2]), (-2, [0]), (-3, [0, -2])]


def test_a_panel_holds_what_its_members_show_and_whom_they_are_adjusted_for() -> None:
    made = panel(Listening(), private=frozenset({"g2"}))
    assert [entry.delta for entry in made.honest] == [0, -1, -2, -3]
    assert [entry.train_gap for entry in made.honest] == [GAP] * 4
    assert made.honest[0].near_distances == tuple(range(500, 530))
    assert [(each.grade_id, each.private) for each in made.references] == [("g0", False), ("g2", True)]
    assert made.fits(data_sha256="d", train_sha256="e", probes_sha256="p") is None


def test_evidence_of_other_probes_is_refused() -> None:
    with pytest.raises(UsageError, match="g0, g1, g2, g3") as failure:
        panel(Listening(probes_sha256="q"))
    assert failure.value.code == "usage.panel_probes"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A store of four honest entries and one copier, the fifth, with the clips that they were graded on."""

    data: Path
    train: Path
    store: Store
    questions: Questions

    def calibrate(self, **request: Any) -> Panel:
        return calibrate(
            Request(**request), data=self.data, train=self.train, store=self.store, progress=Silent()
        )


HONEST = ("g0", "g1", "g2", "g3")


WINDOWS = 3


def _clip(folder: Path, lengths: tuple[int, ...], rng: np.random.Generator) -> Path:
    """Scenes of 20 frames whose factors have 32 values: few probes, and mistakes that one segment makes alone."""
    frames = sum(lengths)
    factors = rng.integers(32, size=(2, frames // 20 + 1, 16, 16), dtype=np.uint32)
    write_clip(
        folder,
        tokens_NHW=np.repeat(factors[0] + 512 * factors[1], 20, axis=0)[:frames],
        segment_ids_N=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
        actions={},
        tokenizer_ckpt="",
    )
    return folder


@pytest.fixture(scope="module")
def first_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder, rng = tmp_path_factory.mktemp("calibration"), np.random.default_rng(0)
    train, data = _clip(folder / "train", (240,) * 6, rng), _clip(folder / "data", (226,) * WINDOWS, rng)
    digests = {
        "data_sha256": clip_sha256(open_clip(data)),
        "train_sha256": clip_sha256(open_clip(train)),
    }
    store = Store(folder / "store")
    truth = set_exam(data, Schedule.DISJOINT, 0).truth
    questions = questions_for(
        truth, open_clip(train), folder=store.folder / FOLDER_NAME, **digests, progress=Silent()
    )
    plausible_R = questions.host_MR.mean(0)
    for number in range(5):
        logprobs_R = plausible_R + rng.normal(scale=0.2, size=len(plausible_R))
        if number == 4:
            logprobs_R = logprobs_R + 2.0 * _nearest_proposes(questions)
        kept = evidence(np.clip(logprobs_R, -16, 0), probes_sha256=questions.probes_sha256, windows=WINDOWS)
        file, sha256 = store.save_artifact(f"g{number}", "retrieval.npz", kept.to_bytes())
        store.append(graded(number, **digests, evidence_file=file, evidence_sha256=sha256))
    return Place(data=data, train=train, store=store, questions=questions)


@pytest.fixture
def place(first_place: Place, tmp_path: Path) -> Place:
    """A store of its own to spoil."""
    shutil.copytree(first_place.store.folder, tmp_path / "store")
    return replace(first_place, store=Store(tmp_path / "store"))


def _nearest_proposes(questions: Questions) -> np.ndarray:
    """Which probes the successor of the nearest training frame shows."""
    probes = questions.probes
    found = [
        probes.proposed(b * 15 + index, questions.candidates.tokens(b, index)[:1])[0]
        for b in range(WINDOWS)
        for index in range(15)
    ]
    return np.concatenate(found)


def test_a_copier_is_copied_by_the_panel_of_the_honest_and_no_honest_entry_is(place: Place) -> None:
    made = place.calibrate(entries=HONEST)
    assert [entry.grade_id for entry in made.honest] == list(HONEST)
    assert [each.grade_id for each in made.references] == ["g0", "g1", "g2"]
    assert all(judgement.verdict is Verdict.CLEAR for judgement in judged_by_the_others(made).values())
    others = reference_logprobs(
        made.references, place.store.folder, probes_sha256=place.questions.probes_sha256
    )
    file, sha256 = evidence_file(place.store.reports()[4])
    copier = read_evidence(place.store.folder / file, sha256=sha256)
    shown = place.questions.measure(copier.logprobs_R, others, seed=0)
    found = Findings(delta=shown.delta, delta_ci=shown.delta_ci, delta_by_window=shown.delta_by_window)
    assert judge(found, made.thresholds).verdict is Verdict.COPIED


def test_a_copier_that_was_taken_as_honest_stands_out(place: Place) -> None:
    judged = judged_by_the_others(place.calibrate(everything=True, references=("g0", "g2")))
    assert judged["g4"].verdict is Verdict.COPIED


def test_the_same_panel_comes_out_again(place: Place) -> None:
    first, second = (place.calibrate(entries=HONEST) for _ in range(2))
    assert replace(first, made_at="") == replace(second, made_at="")


def test_lost_evidence_is_named(place: Place) -> None:
    (place.store.folder / "grades" / "g1" / "retrieval.npz").unlink()
    with pytest.raises(StoreFailed, match="g1") as failure:
        place.calibrate(entries=HONEST)
    assert failure.value.code == "store.evidence_missing"


def test_a_store_that_is_no_folder_for_candidates_is_named(place: Place) -> None:
    shutil.rmtree(place.store.folder / FOLDER_NAME)
    (place.store.folder / FOLDER_NAME).write_text("in the way")
    with pytest.raises(StoreFailed, match=FOLDER_NAME):
        place.calibrate(entries=HONEST)


def options(place: Place, *more: str) -> list[str]:
    named = ["--data", str(place.data), "--train", str(place.train), "--store", str(place.store.folder)]
    return ["retrieval", "calibrate", *named, *(part for each in HONEST for part in ("--entry", each)), *more]


def test_the_command_writes_the_panel_that_grades_of_the_store_find(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(place)) == 0
    shown = capsys.readouterr()
    assert "[red]entry0 * " in shown.out
    assert "[red]entry1 " in shown.out
    assert "copied: delta above" in shown.out
    assert str(place.store.panel_file) in shown.err
    assert read_panel(place.store.panel_file).honest[0].grade_id == "g0"


def test_the_command_prints_what_it_writes(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    assert main(options(place, "--json", "-o", str(path), "--private", "g1", "--reference", "g3")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(path.read_text())
    assert [(each["grade_id"], each["private"]) for each in printed["references"]] == [
        ("g1", True),
        ("g3", False),
    ]


def test_the_command_says_who_stands_out(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options(place, "--entry", "g4", "--reference", "g0", "--reference", "g2")) == 0
    assert "[red]entry4 (g4) stands out among the others: " in capsys.readouterr().err


def test_of_all_entries_none_is_taken_that_copies_by_the_others_word(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.store.panel_file.unlink(missing_ok=True)
    assert main(options(place, "--all", "--reference", "g0", "--reference", "g2")) == 2
    shown = capsys.readouterr().err
    assert "usage.panel_copier" in shown
    assert "entry4 (g4)" in shown
    assert not place.store.panel_file.exists()


def test_a_panel_that_cannot_be_written_is_the_operators_matter(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(place, "-o", str(tmp_path / "nowhere" / "panel.json"))) == 3
    assert "output.failed" in capsys.readouterr().err
