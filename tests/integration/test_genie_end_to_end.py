"""From rendered data to a grade by the commands of the README: train, export, submit, grade; the numbers agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.codec.patch import PatchCodec
from harness.data.demo import make_demo
from harness.data.demo_plan import DemoPlan
from harness.intake.pack import read_manifest
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.spec import CHALLENGE

TORCH_IMAGE = os.environ.get("WMC_TORCH_IMAGE") or "wmc-test-torch"
TOLERANCE_NATS = 1e-3
VAL_WINDOWS = 2
STEPS = 6

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A Genie that has learned a little, exported.

    Attributes:
        entry: the exported folder.
        val: the clip it was held out on.
        result: what the training said of itself; its `heldout_loss` the learner computed, all frames at once.
    """

    entry: Path
    val: Path
    result: dict[str, Any]


@pytest.fixture(scope="module")
def wmc(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a command as a user would, in an empty folder; gives its standard output.

    On one thread, for such small products are faster so, and others are running.
    """
    here = tmp_path_factory.mktemp("here")
    environment = {**os.environ, "XDG_CACHE_HOME": str(here / "cache"), "OMP_NUM_THREADS": "1"}

    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, words)],
            cwd=here,
            env=environment,
            check=False,  # what it said is worth more than that it failed
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little of the demo data, rendered: train, and val of two windows."""
    pytest.importorskip("vizdoom")
    folder = tmp_path_factory.mktemp("demo")
    plan = DemoPlan(train_frames=1500, routes=2, graded_segments=VAL_WINDOWS)
    make_demo(folder, plan=plan, fit_codec=PatchCodec.fit, workers=2, progress=Silent(), force=True)
    return folder


@pytest.fixture(scope="module")
def trained(wmc: Callable[..., str], demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """`tiny` as it is, for a few steps."""
    folder = tmp_path_factory.mktemp("genie")
    words = ["train-baseline", "genie", "--train", demo / "train", "--val", demo / "val", "--threads", 1]
    words += ["--out", folder / "run", "--json", "--steps", STEPS, "--export", folder / "entry"]
    return Trained(entry=folder / "entry", val=demo / "val", result=json.loads(wmc(*words)))


@pytest.fixture
def torch_image(docker_client: Any) -> str:
    """The image with torch in it, on which neural entries are graded here."""
    import docker.errors

    try:
        docker_client.images.get(TORCH_IMAGE)
    except docker.errors.ImageNotFound:
        pytest.skip(f"there is no image {TORCH_IMAGE}; .ci/test-torch-image makes it")
    return TORCH_IMAGE


@pytest.fixture
def zipped(wmc: Callable[..., str], trained: Trained, tmp_path: Path) -> Path:
    """The submission."""
    path = tmp_path / "genie.zip"
    assert f"{path}\n" in wmc("submit", trained.entry, "-o", path)
    return path


@pytest.fixture
def tidy_engine(docker_client: Any) -> Iterator[Callable[[str], None]]:
    """Afterwards the engine has forgotten the built entry of this submission."""
    submissions: list[str] = []
    yield submissions.append
    for volume in docker_client.volumes.list():
        if any(volume.name.startswith(f"wmc-{sha256[:12]}-") for sha256 in submissions):
            volume.remove(force=True)


def test_the_export_declares_what_the_training_did(trained: Trained) -> None:
    """And the training was one: a loss near that of guessing would agree with anything."""
    assert trained.result["heldout_loss"] < CHALLENGE.uniform_loss - 2
    manifest = read_manifest(trained.entry)
    assert manifest.training_flops == trained.result["training_flops"] > 0
    assert manifest.claimed_val_loss == trained.result["heldout_loss"], "it was held out on val"
    assert f"genie tiny, from counts, step {trained.result['best_step']} of {STEPS} with 2 windows" in (
        manifest.description
    )


def test_it_is_graded_in_a_process_as_it_was_when_trained(
    wmc: Callable[..., str], trained: Trained, zipped: Path, tmp_path: Path
) -> None:
    record = json.loads(_grade(wmc, zipped, trained.val, tmp_path / "store", "--sandbox", "process"))
    _check(record, trained)


@pytest.mark.docker
def test_it_is_graded_in_docker_as_it_was_when_trained(
    wmc: Callable[..., str],
    trained: Trained,
    zipped: Path,
    tmp_path: Path,
    torch_image: str,
    tidy_engine: Callable[[str], None],
) -> None:
    """Build and run without a network to fetch torch from: the image has it, and build.sh sees that."""
    options = ("--sandbox", "docker", "--base-image", torch_image)
    record = json.loads(_grade(wmc, zipped, trained.val, tmp_path / "store", *options))
    tidy_engine(record["provenance"]["submission_sha256"])
    _check(record, trained)
    assert record["provenance"]["sandbox"] == "docker"
    assert record["provenance"]["entry_bytes"] < 10_000_000, "build.sh installed nothing"


def test_a_causal_lm_is_graded_in_a_process_as_it_was_when_trained(
    wmc: Callable[..., str], demo: Path, tmp_path: Path
) -> None:
    """Token by token through the gate, the loss is the one that its learner had computed of all tokens at once."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"num_layers": 1, "num_heads": 2, "d_model": 32}))
    words = ["train-baseline", "causal-lm", "--train", demo / "train", "--val", demo / "val", "--threads", 1]
    words += ["--config", config, "--steps", 2, "--batch", 1, "--out", tmp_path / "run", "--json"]
    result = json.loads(wmc(*words, "--export", tmp_path / "entry"))
    manifest = read_manifest(tmp_path / "entry")
    assert manifest.causal
    assert manifest.claimed_val_loss is None, "it was held out in another regime than claims are of"
    wmc("submit", tmp_path / "entry", "-o", tmp_path / "entry.zip")
    options = ("--sandbox", "process", "--regime", Regime.FULLY_TEACHER_FORCED.value, "--no-pictures")
    record = json.loads(_grade(wmc, tmp_path / "entry.zip", demo / "val", tmp_path / "store", *options))
    graded = record["regimes"]["fully_teacher_forced"]
    assert graded["windows"] == result["heldout_windows"] == VAL_WINDOWS
    assert graded["loss"] == pytest.approx(result["heldout_loss"], abs=TOLERANCE_NATS)
    assert graded["loss"] < CHALLENGE.uniform_loss - 2


def _grade(wmc: Callable[..., str], submission: Path, data: Path, store: Path, *options: str) -> str:
    return wmc("grade", submission, "--data", data, "--store", store, "--json", *options)


def _check(record: dict[str, Any], trained: Trained) -> None:
    """Frame by frame through the gate, the loss is the one that the learner had computed of all frames at once."""
    assert record["status"] == "graded"
    graded = record["regimes"]["temporally_teacher_forced"]
    assert graded["windows"] == trained.result["heldout_windows"] == VAL_WINDOWS
    assert graded["loss"] == pytest.approx(trained.result["heldout_loss"], abs=TOLERANCE_NATS)
    assert record["regimes"]["fully_autoregressive"]["windows"] == VAL_WINDOWS
    assert record["regimes"]["fully_teacher_forced"] is None
    assert record["entry"]["training_flops"] == trained.result["training_flops"]
