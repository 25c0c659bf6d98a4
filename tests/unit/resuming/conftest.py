"""Small grades with every stage in them, in the process sandbox: whole, killed, resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.patch import PatchCodec
from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.pictures import strips, suspects
from harness.plain import to_plain
from harness.progress import Progress, Silent
from harness.protocol.conversation import Limits
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.resuming.going_on import resume
from harness.resuming.resumable import find_resumable
from harness.sandbox.process import ProcessSandbox

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("dying_grader.py")
RAW_SPAN = 226
_WHEN = {
    "begun_at",
    "finished_at",
    "durations_s",
    "build_s",
    "seconds_per_frame",
    "reply_s_median",
    "reply_s_p95",
    "resumes",
    "resumed_from",
}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One store, and what is graded into it."""

    request: GradeRequest
    folder: Path
    cache: Path
    notes: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    @staticmethod
    def figures(report: GradeReport) -> Any:
        """The record without what differs between two undisturbed grades: ids and times."""

        def without_times(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: without_times(each) for key, each in value.items() if key not in _WHEN}
            return [without_times(each) for each in value] if isinstance(value, list) else value

        text = json.dumps(without_times(report.to_json()))
        return json.loads(re.sub(r"\d{8}-\d{6}-[0-9a-f]{8}", "ID", text))

    def grade(self, progress: Progress | None = None, **changes: Any) -> GradeReport:
        request = replace(self.request, **changes)
        sandbox = ProcessSandbox(cache=self.cache)
        return grade(request, sandbox=sandbox, store=self.store, progress=progress or Silent())

    def resume(self, grade_id: str | None = None, progress: Progress | None = None) -> GradeReport:
        found = find_resumable(self.store, grade_id)
        return resume(
            found,
            store=self.store,
            open_sandbox=lambda _, policy: ProcessSandbox(policy=policy, cache=self.cache),
            progress=progress or Silent(),
        )

    def child(
        self, *, kill_at: int | None = None, after_s: float | None = None, resumes: bool = False
    ) -> list[str] | None:
        """Grade, or resume, in a process of its own; what it did, or None where it was killed."""
        asked = {
            "request": to_plain(self.request),
            "store": str(self.store.folder),
            "cache": str(self.cache),
            "kill_at": kill_at,
            "resume": resumes,
        }
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            said, _ = process.communicate(json.dumps(asked), timeout=after_s or 120)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        if process.returncode == -signal.SIGKILL:
            return None
        assert process.returncode == 0
        seen: list[str] = json.loads(said)
        return seen


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> GradeRequest:
    """A grade of few windows with every stage in it: regimes, retrieval check, pictures."""
    folder = tmp_path_factory.mktemp("question")
    rng = np.random.default_rng(0)
    for name, segments, hold in (("clip", 2, 20), ("train", 3, 25)):
        frames = segments * RAW_SPAN
        scenes = rng.integers(1 << 18, size=(frames // hold + 1, 16, 16), dtype=np.uint32)
        write_clip(
            folder / name,
            tokens_NHW=np.repeat(scenes, hold, axis=0)[:frames],
            segment_ids_N=np.repeat(np.arange(segments), RAW_SPAN).astype(np.int32),
            actions={key: rng.normal(size=(frames, width)) for key, width in ACTION_WIDTHS.items()},
            tokenizer_ckpt="data/magvit2.ckpt",
        )
    y, x = np.mgrid[:64, :64]
    waves = [
        np.sin(x * a + y * b)[..., None] * rng.uniform(20, 100, 3) for a, b in rng.normal(0, 0.2, (40, 2))
    ]
    images = np.clip(120 + np.stack(waves) + rng.normal(0, 4, (40, 64, 64, 3)), 0, 255).astype(np.uint8)
    PatchCodec.fit(images).save(folder / "codec.npz")
    return GradeRequest(
        submission=pack(ROOT / "submissions_template", folder / "entry.zip").path,
        data=folder / "clip",
        train=folder / "train",
        codec=str(folder / "codec.npz"),
        lpips_weights=folder / "no-weights",
        limits=Limits(start_s=30, reply_s=20, regime_s=120),
    )


@pytest.fixture(autouse=True)
def _large_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the program has them: to draw small files takes longer than all the rest."""
    monkeypatch.setattr(strips, "MOST_BYTES", 1 << 30)
    monkeypatch.setattr(suspects, "MOST_BYTES", 1 << 30)


@pytest.fixture
def bench(question: GradeRequest, tmp_path: Path) -> Bench:
    return Bench(request=question, folder=tmp_path, cache=tmp_path / "cache")


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """The same grade, which nobody disturbed: its record, all that was done for it in order, and how long it took."""

    report: GradeReport
    done: list[str]
    seconds: float


@pytest.fixture(scope="session")
def undisturbed(question: GradeRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    bench = Bench(request=question, folder=folder, cache=folder / "cache")
    begin = time.monotonic()
    done = bench.child()
    assert done is not None
    (report,) = bench.store.reports()
    return Undisturbed(report=report, done=done, seconds=time.monotonic() - begin)
