"""Docker and the process sandbox give the same numbers: isolation costs an entry nothing but its freedom."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.results.report import GradeReport, Status
from harness.results.store import Store
from harness.sandbox.choose import open_sandbox
from harness.sandbox.policy import SandboxPolicy
from harness.spec import CHALLENGE

ROOT = Path(__file__).parents[2]
TOLERANCE_NATS = 1e-6

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six windows in which each frame keeps most bits of the last: every baseline has something to learn."""
    rng = np.random.default_rng(0)
    frames = 6 * 226
    tokens_NHW = np.zeros((frames, 16, 16), np.uint32)
    tokens_NHW[0] = rng.integers(1 << 18, size=(16, 16))
    for frame in range(1, frames):
        flips = (rng.random((18, 16, 16)) < 0.01).astype(np.uint32)
        tokens_NHW[frame] = tokens_NHW[frame - 1] ^ np.bitwise_or.reduce(
            flips << np.arange(18)[:, None, None]
        )
    folder = tmp_path_factory.mktemp("data") / "clip"
    write_clip(
        folder,
        tokens_NHW=tokens_NHW,
        segment_ids_N=np.repeat(np.arange(6, dtype=np.int32), 226),
        actions={name: np.zeros((frames, width), np.float32) for name, width in ACTION_WIDTHS.items()},
        tokenizer_ckpt="none",
    )
    return folder


@pytest.fixture(scope="module")
def trained(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """An entry's folder, trained if it has to be."""
    place = tmp_path_factory.mktemp("entries")

    def make(name: str) -> Path:
        folder = shutil.copytree(ROOT / name, place / Path(name).name)
        for program in ("train.py", "pack.py"):
            if (folder / program).exists():
                command = [sys.executable, str(folder / program), "--train", str(clip)]
                subprocess.run(command, check=True, capture_output=True)
        return folder

    return make


@pytest.mark.parametrize(
    "name",
    [
        "submissions_template",
        "baselines/copy_last",
        "baselines/unigram",
        "baselines/ngram",
        "baselines/retrieval",
    ],
)
def test_docker_and_process_agree(
    clip: Path, trained: Callable[[str], Path], tmp_path: Path, base_image: str, name: str
) -> None:
    submission = pack(trained(name), tmp_path / "entry.zip").path
    request = GradeRequest(submission=submission, data=clip, seed=3)
    policy = SandboxPolicy(base_image=base_image)

    def graded(sandbox: str) -> GradeReport:
        opened = open_sandbox(sandbox, policy, cache=tmp_path / sandbox)
        report = grade(request, sandbox=opened, store=Store(tmp_path / "store"), progress=Silent())
        assert report.status is Status.GRADED, report.failure
        return report

    boxed, plain = graded("docker"), graded("process")
    assert boxed.provenance.sandbox == "docker"
    assert boxed.provenance.entry_tree_sha256 == plain.provenance.entry_tree_sha256
    for regime in Regime:
        one, other = boxed.regimes[regime], plain.regimes[regime]
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.loss == pytest.approx(other.loss, abs=TOLERANCE_NATS)
            assert one.loss_by_frame == pytest.approx(other.loss_by_frame, abs=TOLERANCE_NATS)
            assert one.token_accuracy == other.token_accuracy
    best = boxed.regimes[Regime.TEMPORALLY_TEACHER_FORCED]
    assert best is not None
    assert best.loss < CHALLENGE.uniform_loss, (
        "the entry predicts something, so the agreement means something"
    )
