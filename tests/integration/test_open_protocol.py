"""A program of the open protocol in a container: the clip is read-only, there is no network, outputs are capped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.errors import SandboxUnavailable
from harness.intake.pack import pack
from harness.open_rules.grading import OpenRequest, grade_openly
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import GIB, MIB, SandboxPolicy
from harness.sandbox.policy import Limits as Room

pytestmark = [pytest.mark.docker]
ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "tests" / "open_entries"
TORCH_IMAGE = os.environ.get("WMC_TORCH_IMAGE") or "wmc-test-torch"
ROOM = Room(memory_bytes=2 * GIB, pids=256, tmp_bytes=64 * MIB, tmp_inodes=1000, shm_bytes=64 * MIB)
TRIES = """#!/usr/bin/env python3
import os, pathlib, socket, sys, time
def fails(action):
    try:
        action()
    except OSError:
        return 1
    return 0
out = pathlib.Path("/outputs")
assert sys.argv[1:] == ["--val_data_dir", "/held_out", "--save_outputs_dir", "/outputs"]
figures = {
    "read": (pathlib.Path("/held_out/video.bin").stat().st_size > 0) + 0,
    "no_network": fails(lambda: socket.create_connection(("1.1.1.1", 53), timeout=2)),
    "no_writing": fails(lambda: pathlib.Path("/held_out/video.bin").open("r+b")),
    "no_new_file": fails(lambda: pathlib.Path("/held_out/x").touch()),
    "user": os.getuid(),
}
"""
LINKS = 'os.symlink("/etc/passwd", out / "pred_logits.pt")\nos.mkfifo(out / "pipe")\nprint(figures)\n'
SPARSE = 'os.truncate(open(out / "pred_logits.pt", "wb").name, 100 << 30)\nprint(figures)\ntime.sleep(300)\n'


@pytest.fixture
def grade_open(tmp_path: Path, docker_client: Any) -> Iterator[Callable[..., GradeReport]]:
    """Grades an evaluate.py in a container of an image; nothing of it is left."""
    used: list[DockerSandbox] = []

    def run(evaluate: str, *, image: str) -> GradeReport:
        folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
        (folder / "build.sh").write_text("#!/bin/sh\ntrue\n")
        (folder / "evaluate.py").write_text(evaluate)
        policy = SandboxPolicy(
            base_image=image, build=ROOM, run=ROOM, build_timeout_s=60, entry_bytes=64 * MIB, entry_files=2000,
            disk_reserve_bytes=GIB,
        )  # fmt: skip
        sandbox = DockerSandbox(policy=policy, cache=tmp_path / "cache")
        used.append(sandbox)
        asked = OpenRequest(
            submission=pack(folder, tmp_path / "entry.zip").path,
            data=clip(tmp_path / "val"),
            limits=Limits(regime_s=120),
            saves_outputs=True,
        )
        report = grade_openly(asked, sandbox=sandbox, store=Store(tmp_path / "store"), progress=Silent())
        volumes = docker_client.volumes.list(filters={"label": f"wmc.grade={report.grade_id}"})
        assert not [volume.name for volume in volumes if volume.name.startswith("wmc-outputs-")]
        containers = docker_client.containers.list(
            all=True, filters={"label": f"wmc.grade={report.grade_id}"}
        )
        assert not containers
        return report

    yield run
    for sandbox in used:
        sandbox.discard_builds()


def clip(folder: Path) -> Path:
    """Two windows of random frames, each held for a while."""
    rng = np.random.default_rng(0)
    scenes = rng.integers(1 << 18, size=(24, 16, 16), dtype=np.uint32)
    write_clip(
        folder,
        tokens_NHW=np.repeat(scenes, 20, axis=0)[:452],
        segment_ids_N=np.repeat([0, 1], 226).astype(np.int32),
        actions={name: np.zeros((452, width)) for name, width in ACTION_WIDTHS.items()},
        tokenizer_ckpt="none",
    )
    return folder


@pytest.mark.torch
def test_a_script_like_1xs_runs_in_its_box_and_its_logits_are_scored(
    grade_open: Callable[..., GradeReport],
) -> None:
    report = grade_open((ENTRIES / "as_1x" / "evaluate.py").read_text(), image=TORCH_IMAGE)
    assert report.failure is None
    assert report.open_run is not None
    rescored = report.open_run.rescored
    assert rescored is not None, report.open_run.not_rescored
    assert rescored.loss == pytest.approx(report.open_run.self_reported["loss"], abs=5e-5)


@pytest.mark.torch
def test_it_reads_the_clip_and_reaches_nothing_else(
    grade_open: Callable[..., GradeReport], base_image: str
) -> None:
    """Links and pipes among its outputs are not followed: a program of ours sends the regular files of a listing."""
    report = grade_open(TRIES + LINKS, image=base_image)
    assert report.failure is None
    assert report.open_run is not None
    assert report.open_run.self_reported == {
        "read": 1.0, "no_network": 1.0, "no_writing": 1.0, "no_new_file": 1.0, "user": 210_000.0,
    }  # fmt: skip
    assert report.open_run.not_rescored is not None
    assert report.open_run.not_rescored.code == "open.no_logits"


def test_a_hundred_sparse_gigabytes_stop_it(grade_open: Callable[..., GradeReport], base_image: str) -> None:
    """Control: the outputs' volume is watched, by apparent sizes."""
    report = grade_open(TRIES + SPARSE, image=base_image)
    assert report.failure is not None
    assert report.failure.code == "open.outputs"


def test_it_does_not_run_beside_another_grade(bench: Any, puppet: Any, policy: Any) -> None:
    """Control: Turn, in build, run and run_openly."""
    other = DockerSandbox(policy=policy, cache=bench.sandbox._cache)
    asked = {"grade_id": "g", "log": bench.run_log}
    with bench.sandbox.run(puppet, gate=bench.gate("import time; time.sleep(60)"), **asked):
        with (
            pytest.raises(SandboxUnavailable) as refused,
            other.run_openly(puppet, data=bench.folder, outputs=None, **asked),
        ):
            pass
        assert refused.value.code == "sandbox.busy"
