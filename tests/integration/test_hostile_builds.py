"""Hostile build.sh, run by the real harness on a real engine: each ends as it should, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.intake.pack import pack
from harness.sandbox import network, volume
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import SandboxPolicy

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import caging
from arena import Arena, expect_of, open_arena
from cases import BUILDS, GRADED, Case
from listening import DEFAULT_BRIDGE, address_of, listener, own_address

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

BRIEF_S = 4
HIDING = ("build_hides_in_attributes", "build_hides_in_times")
ENDING = [name for name in BUILDS if not name.startswith(("build_hides", "build_reaches"))]


@pytest.fixture(scope="module")
def arena(docker_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with open_arena(docker_client, tmp_path_factory.mktemp("builds")) as arena:
        yield arena


@pytest.fixture
def sandbox(arena: Arena, policy: SandboxPolicy) -> Iterator[Any]:
    """Makes sandboxes, with other policies where asked; what they built is thrown away."""
    opened: list[DockerSandbox] = []

    def make(**changes: Any) -> DockerSandbox:
        opened.append(
            DockerSandbox(
                policy=replace(policy, **changes), cache=arena.folder / f"cache-{uuid.uuid4().hex[:8]}"
            )
        )
        return opened[-1]

    yield make
    for each in opened:
        each.discard_builds()


@pytest.fixture(scope="module")
def twin(arena: Arena, policy: SandboxPolicy) -> Any:
    """The grade of the innocent twin, built and run as the others are."""
    built = DockerSandbox(policy=policy, cache=arena.folder / "cache-twin")
    report = arena.watched_grade(arena.zipped("innocent"), Case(control=""), built)
    built.discard_builds()
    return report


@pytest.mark.parametrize("name", ENDING)
def test_a_hostile_build_ends_as_it_should(arena: Arena, sandbox: Any, twin: Any, name: str) -> None:
    """No volume of it is left where it failed, and its log keeps to the cap."""
    case = BUILDS[name]
    volumes = {volume.name for volume in arena.client.volumes.list()}
    changes = {"build_timeout_s": BRIEF_S} if name == "build_takes_for_ever" else {}
    box = sandbox(**changes)
    report = arena.watched_grade(arena.zipped(name), case, box)
    expect_of(report, case, twin=twin)
    log = arena.store.grade_folder(report.grade_id) / "build.log"
    assert log.stat().st_size <= box.policy.log_bytes
    if case.outcome != GRADED:
        assert report.failure is not None
        assert (report.failure.message + report.failure.fix).replace("\n", "").isprintable()
        if report.provenance.entry_tree_sha256 is None:
            assert {volume.name for volume in arena.client.volumes.list()} <= volumes


def test_another_s_build_is_the_same_after_caches_were_poisoned(
    arena: Arena, sandbox: Any, twin: Any
) -> None:
    arena.watched_grade(arena.zipped("build_poisons_caches"), BUILDS["build_poisons_caches"], sandbox())
    again = arena.watched_grade(arena.zipped("innocent"), Case(control=""), sandbox())
    assert again.provenance.entry_tree_sha256 == twin.provenance.entry_tree_sha256
    expect_of(again, Case(control=""), twin=twin)


def asking(arena: Arena, places: list[tuple[str, int]]) -> Path:
    """The entry that asks at these places, packed."""
    folder = caging.compose("build_reaches_inside", arena.folder / f"asking-{uuid.uuid4().hex[:8]}")
    (folder / "places.json").write_text(json.dumps(places))
    path = pack(folder, folder.with_suffix(".zip")).path
    shutil.rmtree(folder)
    return path


def test_a_build_reaches_nobody_inside(arena: Arena, sandbox: Any) -> None:
    """Guards the rules of the build's own bridge."""
    box = sandbox()
    arena.watched_grade(arena.zipped("innocent"), Case(control=""), box)  # the bridge is there now
    with listener() as port:
        hosts = [address_of(network.BRIDGE), address_of(DEFAULT_BRIDGE), own_address()]
        places = [*((host, port) for host in hosts), ("169.254.169.254", 80)]
        report = arena.watched_grade(asking(arena, places), BUILDS["build_reaches_inside"], box)
    assert arena.told(report) == dict.fromkeys([*hosts, "169.254.169.254"], "none")


def test_without_the_rules_it_reaches_the_host(arena: Arena, sandbox: Any) -> None:
    host = address_of(DEFAULT_BRIDGE)
    with listener() as port:
        box = sandbox(block_private_networks=False)
        report = arena.watched_grade(asking(arena, [(host, port)]), BUILDS["build_reaches_inside"], box)
    assert arena.told(report) == {host: "worked"}


@pytest.mark.parametrize("name", HIDING)
def test_two_builds_that_differ_for_the_entry_differ_in_their_digest(
    arena: Arena, sandbox: Any, name: str
) -> None:
    """What was reviewed is what runs: an entry must not find more than the digest covers."""
    reports = [arena.watched_grade(arena.zipped(name), BUILDS[name], sandbox()) for _ in range(2)]
    is_told_apart = len({report.provenance.entry_tree_sha256 for report in reports}) == 2
    assert is_told_apart or arena.told(reports[0]) == arena.told(reports[1])


def test_without_settling_its_times_tell_builds_apart(
    arena: Arena, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards `volume.settle`: the digest is the same, and what the entry finds is not."""
    monkeypatch.setattr(volume, "settle", lambda shop, name: None)
    name = "build_hides_in_times"
    reports = [arena.watched_grade(arena.zipped(name), BUILDS[name], sandbox()) for _ in range(2)]
    assert len({report.provenance.entry_tree_sha256 for report in reports}) == 1
    assert arena.told(reports[0]) != arena.told(reports[1])
