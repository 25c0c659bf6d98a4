"""Hostile entries, graded by the real harness on a real engine: each ends as it should, and leaves nothing behind."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.results.report import Status
from harness.sandbox.policy import SandboxPolicy

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import caging
from arena import TTF, Arena, graded, write_canaries, write_clips
from caging import Cage
from cases import GATE, GRADED, MACHINE, PROBES, Case

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

PROBING = Case(control="all of them")
REFUSED = {"EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "ENETUNREACH", "EAI_AGAIN", "none", "loopback only"}


@pytest.fixture(scope="module")
def arena(
    policy: SandboxPolicy, docker_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("hostile")
    write_canaries(folder / "canaries")
    (folder / "zips").mkdir()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="wh-", dir="/tmp") as temporary:
        patch.setattr(tempfile, "tempdir", temporary)
        named = {"policy": policy, "cache": folder / "cache"}
        builder = caging.DockerSandbox(**named)
        built = builder.build(
            caging.zoo(folder / "zoo"),
            entry_sha256="2" * 64,
            grade_id="zoo",
            log=folder / "zoo.log",
            progress=Silent(),
        )
        arena = Arena(
            cage=Cage(built, **named),
            client=docker_client,
            folder=folder,
            temporary=Path(temporary),
            clips=write_clips(folder / "clips"),
        )
        (arena.store.folder / "grades").mkdir(parents=True)
        yield arena
        builder.discard_builds()


def expect(arena: Arena, name: str, case: Case) -> Any:
    """Grade it, and hold its end against what it should be; graded, it scores as its innocent twin."""
    report = arena.grade(name, case)
    if case.outcome == GRADED:
        result, twin = graded(report), graded(arena.twin())
        if case.is_twin:
            assert result.loss_by_frame == pytest.approx(twin.loss_by_frame, abs=1e-9)
        return report
    assert report.failure is not None, "it was graded"
    assert (report.failure.code, report.failure.blame.value) == (case.outcome, case.blame), report.failure
    assert report.regimes[TTF] is None, "a failed grade has no scores"
    return report


@pytest.mark.parametrize("name", GATE)
def test_what_breaks_the_gate_s_rules_ends_by_its_name(arena: Arena, name: str) -> None:
    expect(arena, name, GATE[name])


@pytest.mark.parametrize("name", MACHINE)
def test_what_attacks_the_machine_gains_nothing(arena: Arena, name: str) -> None:
    expect(arena, name, MACHINE[name])
