"""Where hostile entries are graded: one engine, one store, clips of a few windows, and canaries all around."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aftermath
import caging
import numpy as np
import pytest
from caging import Cage
from cases import CASES, GRADED, Case

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.grading import GradeRequest, grade
from harness.progress import Silent
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport, Status
from harness.results.store import Store
from harness.sandbox import inspection, lifecycle
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import SandboxPolicy

TTF = Regime.TEMPORALLY_TEACHER_FORCED
FLIPPED = 0.3  # of the tokens, from one frame of a window to the next
STRIDE, SPAN = 15, 226


@dataclass(kw_only=True)
class Arena:
    """Grades entries and looks at the host before and after.

    Attributes:
        folder: of everything below.
        temporary: where the host keeps what lasts as long as a run: sockets, unpacked entries.
        clips: `one` window; `long`, one segment with more windows than the disjoint schedule takes.
        ids: of every container since the last grade began.
        cage: the zoo, where there is one.
    """

    client: Any
    folder: Path
    temporary: Path
    clips: dict[str, Path]
    ids: list[str]
    cage: Any = None
    _zips: dict[str, Path] = field(default_factory=dict)
    _twins: dict[str, GradeReport] = field(default_factory=dict)
    _known: dict[str, GradeReport] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def grade(self, name: str, case: Case, *, clip: str = "one", **request: Any) -> GradeReport:
        """The grade of one animal of the zoo; whatever it did, nothing of it is left and the host is as it was."""
        self.cage.next = name
        report = self.watched_grade(self.zipped(name), case, self.cage, clip=clip, **request)
        assert self.cage.log_bytes < aftermath.ENGINE_LOG_BYTES
        return report

    def watched_grade(
        self, submission: Path, case: Case, sandbox: Any, *, clip: str = "one", **request: Any
    ) -> Any:
        """The grade of a submission in a sandbox, between two looks at the host."""
        canaries = self.folder / "canaries"
        self.ids.clear()
        asked = {
            "submission": submission,
            "data": self.clips[clip],
            "limits": case.limits,
            "pictures": False,
            "regimes": DISCLOSURE_ORDER[:2] if case.both_regimes else (TTF,),
            **request,
        }
        self.client.close()  # our own idle connections to the engine; it opens new ones when it needs them
        before = aftermath.look(self.store.folder, canaries)
        report = grade(GradeRequest(**asked), sandbox=sandbox, store=self.store, progress=Silent())
        aftermath.check_nothing_is_left(
            self.client, grade_id=report.grade_id, container_ids=self.ids, temporary=self.temporary
        )
        self.client.close()
        aftermath.check(before, aftermath.look(self.store.folder, canaries, without=report.grade_id))
        assert aftermath.size_of(self.store.grade_folder(report.grade_id)) < aftermath.GRADE_FOLDER_BYTES
        return report

    def expect(self, name: str, case: Case) -> GradeReport:
        """The grade of one animal, which is as it should be."""
        report = self.grade(name, case)
        expect_of(report, case, twin=self.twin())
        if not self.cage.off:
            self._known[name] = report
        return report

    def known(self, name: str) -> GradeReport:
        """The grade that an animal was expected to have; made once, with every control in place."""
        return self._known.get(name) or self.expect(name, CASES[name])

    def zipped(self, name: str) -> Path:
        """The submission of one behaviour, packed once."""
        if name not in self._zips:
            self._zips[name] = caging.zipped(name, self.folder / "zips")
        return self._zips[name]

    def twin(self, clip: str = "one") -> GradeReport:
        """The grade of the innocent twin on a clip, in the first two regimes."""
        if clip not in self._twins:
            self._twins[clip] = self.grade("innocent", Case(control="", both_regimes=True), clip=clip)
        return self._twins[clip]

    def nats(self, report: GradeReport, regime: Regime = TTF) -> Any:
        """Of every graded token, `[B, T, H, W]`."""
        with np.load(self.store.folder / graded(report, regime).tokens_file) as kept:
            return kept["nats"]

    def told(self, report: GradeReport) -> Any:
        """What an entry said in the tokens that it predicted for the first window."""
        with np.load(self.store.folder / graded(report).tokens_file) as kept:
            tokens_N = kept["tokens"][0].ravel()
        return json.loads(tokens_N.astype("<u2").tobytes().rstrip(b"\0 "))

    def log(self, report: GradeReport, regime: Regime = TTF) -> bytes:
        """The output of one run, as it was kept."""
        return (self.store.grade_folder(report.grade_id) / f"{regime.value}.log").read_bytes()

    @contextmanager
    def without(self, **off: Any) -> Iterator[None]:
        """Meanwhile containers have these flags in the place of ours, and nobody inspects them."""
        self.cage.off = off
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(inspection, "check", lambda *_: None)
                yield
        finally:
            self.cage.off = {}


@contextmanager
def open_arena(client: Any, folder: Path) -> Iterator[Arena]:
    """An arena in a folder; what the host keeps for a run's time it keeps in an empty folder meanwhile."""
    _write_canaries(folder / "canaries")
    for name in ("zips", "store/grades"):
        (folder / name).mkdir(parents=True)
    honest = lifecycle.container
    ids: list[str] = []

    @contextmanager
    def container(*arguments: Any, **named: Any) -> Iterator[Any]:
        with honest(*arguments, **named) as started:
            ids.append(started.id)
            yield started

    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="wh-", dir="/tmp") as temporary,
    ):
        patch.setattr(tempfile, "tempdir", temporary)
        patch.setattr(lifecycle, "container", container)
        yield Arena(
            client=client,
            folder=folder,
            temporary=Path(temporary),
            clips=_write_clips(folder / "clips"),
            ids=ids,
        )


@contextmanager
def open_zoo(policy: SandboxPolicy, client: Any, folder: Path) -> Iterator[Arena]:
    """An arena with every entry in it, built."""
    named: dict[str, Any] = {"policy": policy, "cache": folder / "cache"}
    builder = DockerSandbox(**named)
    with open_arena(client, folder) as arena:
        built = builder.build(
            caging.zoo(folder / "zoo"),
            entry_sha256="2" * 64,
            grade_id="zoo",
            log=folder / "zoo.log",
            progress=Silent(),
        )
        arena.cage = Cage(built, **named)
        yield arena
    builder.discard_builds()


def graded(report: GradeReport, regime: Regime = TTF) -> RegimeReport:
    """The numbers of a regime that was graded."""
    result = report.regimes[regime]
    assert report.status is Status.GRADED, report.failure
    assert result is not None
    return result


def _write_clips(folder: Path) -> dict[str, Path]:
    """Clips in which each frame keeps most tokens of the last; no two of their tokens are the same by design."""
    return {
        "one": _write(folder / "one", raw_frames=SPAN),
        "long": _write(folder / "long", raw_frames=3 * SPAN),
    }


def _write_canaries(folder: Path) -> None:
    """Files, a link and an empty folder, side by side with the store, that nobody has any business with."""
    (folder / "empty").mkdir(parents=True)
    (folder / "canary").write_bytes(b"sings")
    (folder / "link").symlink_to(folder / "canary")


def _write(folder: Path, *, raw_frames: int) -> Path:
    rng = np.random.default_rng(raw_frames)
    scenes = [rng.integers(1 << 18, size=(16, 16), dtype=np.uint32)]
    for _ in range(raw_frames // STRIDE):
        fresh_HW = rng.integers(1 << 18, size=(16, 16), dtype=np.uint32)
        scenes.append(np.where(rng.random((16, 16)) < FLIPPED, fresh_HW, scenes[-1]))
    tokens_NHW = np.repeat(np.stack(scenes), STRIDE, axis=0)[:raw_frames]
    write_clip(
        folder,
        tokens_NHW=tokens_NHW,
        segment_ids_N=np.zeros(raw_frames, np.int32),
        actions={name: np.zeros((raw_frames, width), np.float32) for name, width in ACTION_WIDTHS.items()},
        tokenizer_ckpt="none",
    )
    return folder


def expect_of(report: GradeReport, case: Case, *, twin: GradeReport) -> None:
    """Hold a grade against what it should be; a graded entry scores as its innocent twin."""
    if case.outcome == GRADED:
        result = graded(report)
        if case.is_twin:
            assert result.loss_by_frame == pytest.approx(graded(twin).loss_by_frame, abs=1e-9)
        return
    assert report.failure is not None, "it was graded"
    assert (report.failure.code, report.failure.blame.value) == (case.outcome, case.blame), report.failure
    assert report.regimes[TTF] is None, "a failed grade has no scores"
