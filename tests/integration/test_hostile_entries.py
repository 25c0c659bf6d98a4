"""Hostile entries, graded by the real harness on a real engine: each ends as it should, and leaves nothing behind."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli.console import Console
from harness.cli.grade_view import show_report
from harness.cli.notice_text import notice_text
from harness.data.clips import open_clip
from harness.notice import notice_of
from harness.protocol.guest import TEXT_LIMIT
from harness.sandbox import cgroup, lifecycle
from harness.sandbox.policy import MIB, SandboxPolicy
from leaderboard.publish import publish

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import caging
import truth
from arena import Arena, graded, open_zoo
from cases import GATE, MACHINE, PROBES, SLOW, Case, as_cases

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

CGROUPS_2 = Path("/sys/fs/cgroup/cgroup.controllers")
PROBING = Case(control="all of them")
# On control groups of version 2 those of UDP are charged.
UNCHARGED = ("fills_netlink_buffers", *(() if CGROUPS_2.exists() else ("fills_socket_buffers",)))
SURROUNDINGS = {
    "environment": [],
    "in the gate": [],
    "mounts of the host": ["/entry", "/held_out", "/opt/wmc_guest"],
    "open files": [],
    "users": ["210000"],
}
REFUSED = {
    *("EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "ENETUNREACH", "ECONNREFUSED"),
    *("unresolved", "none", "loopback only"),
}


@pytest.fixture(scope="module")
def arena(
    policy: SandboxPolicy, docker_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    with open_zoo(policy, docker_client, tmp_path_factory.mktemp("hostile")) as arena:
        yield arena


@pytest.mark.parametrize("name", GATE)
def test_what_breaks_the_gate_s_rules_ends_by_its_name(arena: Arena, name: str) -> None:
    arena.expect(name, GATE[name])


@pytest.mark.parametrize("name", as_cases(MACHINE, "kernel_counters"))
def test_what_attacks_the_machine_gains_nothing(arena: Arena, name: str) -> None:
    arena.expect(name, MACHINE[name])


@pytest.fixture
def after_the_kill(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every run's container whether the engine, done with killing it, still called it running."""
    arena.twin()  # its containers are none of these
    seen: list[bool] = []
    wait = lifecycle._wait_until_ended

    def look_and_wait(ending: Any) -> None:
        ending.reload()
        seen.append(ending.attrs["State"]["Running"] and len(cgroup.processes(ending.id)) > 0)
        wait(ending)

    monkeypatch.setattr(lifecycle, "_wait_until_ended", look_and_wait)
    return seen


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_a_death_that_takes_long_is_waited_for(arena: Arena, after_the_kill: list[bool]) -> None:
    """Guards the wait for its end before anything else: the engine gives up on it, and the grade must not."""
    arena.expect("dies_slowly", SLOW["dies_slowly"])
    assert after_the_kill == [True], "it was dead as soon as it was killed: this machine needs more WAITERS"


@pytest.fixture(scope="module")
def probed(arena: Arena) -> dict[str, dict[str, Any]]:
    """What each probe found, all of them in one container."""
    found: dict[str, dict[str, Any]] = arena.told(arena.expect(caging.PROBES, PROBING))
    return found


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_gets_no_further(probed: dict[str, dict[str, Any]], name: str) -> None:
    found = probed[name]
    assert len(found) > 0
    if name == "looks_around":
        assert found == SURROUNDINGS
    else:
        assert {what: answer for what, answer in found.items() if answer not in REFUSED} == {}


def test_each_probe_is_an_entry_of_its_own_too(arena: Arena, probed: dict[str, dict[str, Any]]) -> None:
    report = arena.expect("mounts", PROBING)
    assert arena.told(report) == probed["mounts"]


def test_each_that_tells_says_that_it_was_stopped(arena: Arena, policy: SandboxPolicy) -> None:
    """Guards pids_limit, sizes and inodes, the one connection, the read-only gate, and where truth is."""

    def told(name: str) -> Any:
        return arena.told(arena.known(name))

    assert 0.8 * policy.run.pids < told("fork_bomb")["children"] < policy.run.pids
    bombed = told("thread_bomb")
    assert 0.8 * policy.run.pids < bombed["threads"] < policy.run.pids
    assert 4000 < bombed["files"] < 4096
    fitted = told("fills_memory_disks")
    assert fitted["MiB in /tmp"] <= policy.run.tmp_bytes / MIB
    assert 0.8 * policy.run.tmp_inodes < fitted["files in /tmp"] <= policy.run.tmp_inodes
    assert fitted["MiB in /dev/shm"] <= policy.run.shm_bytes / MIB
    assert set(told("replaces_the_socket").values()) <= REFUSED
    assert set(told("second_connection").values()) <= REFUSED
    searched = told("searches_for_truth")
    assert searched["found in"] == []
    assert searched["files read"] > 1000


@pytest.mark.parametrize("name", as_cases(UNCHARGED, "fills_socket_buffers"))
def test_what_lies_in_sockets_is_its_own_memory(arena: Arena, policy: SandboxPolicy, name: str) -> None:
    """Guards mem_limit: of more than that it is killed, or refused."""
    report = arena.grade(name, MACHINE[name])
    is_killed = report.failure is not None and "out of memory" in report.failure.message
    assert is_killed or arena.told(report)["MiB in sockets"] < policy.run.memory_bytes / MIB


@pytest.fixture
def core_handler(arena: Arena) -> Iterator[Path]:
    """Where a program of the host's writes what it is sent of a container's crash; the kernel starts it meanwhile."""
    if os.geteuid() != 0:
        pytest.fail("run the Docker tests as root: the kernel's core_pattern cannot be set otherwise")
    handler, received = arena.folder / "handler", arena.folder / "received"
    handler.write_text(f'#!/bin/sh\n[ "$1" = wmc ] && wc -c >{received}\n')
    handler.chmod(0o755)
    pattern = Path("/proc/sys/kernel/core_pattern")
    before = pattern.read_text()
    pattern.write_text(f"|{handler} %h\n")
    try:
        yield received
    finally:
        pattern.write_text(before)


def test_a_crash_starts_no_program_on_the_host(arena: Arena, core_handler: Path) -> None:
    """As apport or systemd-coredump would be, as root, with what the entry was shown on their standard input."""
    arena.expect("crashes_on_purpose", MACHINE["crashes_on_purpose"])
    assert not core_handler.exists()


def test_an_unfinished_probe_is_on_record(arena: Arena) -> None:
    """Who leaves when it is asked again keeps its scores, and a mark."""
    probe = graded(arena.known("exits_when_asked_again")).state_probe
    assert probe.failure == "guest.closed"


def test_what_it_remembers_is_of_no_use_and_shows(arena: Arena) -> None:
    """Guards the disjoint schedule: nothing was shown before that helps; what is asked again it knows."""
    report = arena.grade("remembers_windows", MACHINE["remembers_windows"], clip="long")
    assert graded(report).windows == 3
    assert graded(report).loss > graded(arena.twin("long")).loss - 0.01
    assert graded(report).state_probe.carried_state
    assert not graded(arena.twin("long")).state_probe.carried_state


def test_a_sleeping_entry_s_clock_runs(arena: Arena) -> None:
    """Guards the host's clock: the entry stopped its own."""
    result = graded(arena.known("patched_clock"))
    assert result.seconds_per_frame > 0.05
    assert result.reply_s_median > 0.05


def test_a_flood_keeps_to_the_cap(arena: Arena, policy: SandboxPolicy) -> None:
    report = arena.known("floods_its_log")
    assert len(arena.log(report)) <= policy.log_bytes


def test_an_endless_complaint_is_cut_and_made_harmless(arena: Arena, policy: SandboxPolicy) -> None:
    """In its log alone: what was shown to it is in there, and in no record."""
    report = arena.known("failed_flood")
    said = arena.log(report)
    assert b"hostile_script" in said
    assert b"\x1b" not in said
    assert len(said) < policy.log_bytes + 2 * TEXT_LIMIT
    assert "hostile_script" not in json.dumps(report.to_json())


def test_huge_numbers_are_scored_and_published_as_numbers(arena: Arena, tmp_path: Path) -> None:
    report = arena.known("huge_floats")
    assert 1e37 < graded(report).loss < math.inf
    assert 1e37 < graded(report).loss_by_frame[0] < math.inf
    publish([report], tmp_path / "site", store=arena.store.folder)
    page = (tmp_path / "site" / "leaderboard.json").read_text()
    assert json.loads(page, parse_constant=pytest.fail)


class TestWhatComesBack:
    """No truth, no mark-up and no escape of an entry reaches who reads the page or the terminal."""

    SPEAKERS = ("wrong_magic", "smuggles_in_a_size", "failed_flood", "hostile_text", "floods_its_log")

    def test_the_site_shows_nothing_of_it(self, arena: Arena, tmp_path: Path) -> None:
        reports = [arena.known(name) for name in self.SPEAKERS]
        publish(reports, tmp_path / "site", store=arena.store.folder)
        for path in filter(Path.is_file, (tmp_path / "site").rglob("*")):
            content = path.read_bytes()
            assert b"\x1b" not in content
            assert path.suffix != ".html" or b"<script>hostile" not in content
            assert path.suffix != ".html" or b"<img" not in content
            assert truth.found_in(content, arena.clips["one"]) == []

    def test_the_notice_to_the_entrant_says_nothing_of_it(self, arena: Arena) -> None:
        """The control is `notice.told`: the record's own message, which the organiser reads, holds two true tokens."""
        told = "".join(notice_text(notice_of(arena.known(name), [])) for name in self.SPEAKERS)
        assert "guest.wrong_magic" in told
        assert truth.found_in(told.encode(), arena.clips["one"]) == []
        kept = [failure.message for name in self.SPEAKERS if (failure := arena.known(name).failure)]
        assert truth.found_in("\n".join(kept).encode(), arena.clips["one"]) != []

    def test_the_terminal_shows_no_escape(self, arena: Arena, capsys: pytest.CaptureFixture[str]) -> None:
        for name in self.SPEAKERS:
            show_report(arena.known(name), Console(), as_json=False)
        shown = "".join(capsys.readouterr())
        assert "guest.wrong_magic" in shown
        assert shown.replace("\n", "").isprintable()

    def test_the_search_finds_truth_where_there_is_some(self, arena: Arena) -> None:
        clip = open_clip(arena.clips["one"])
        first, second = map(int, clip.tokens_NHW[0, 5, 3:5])
        for leak in (f"({first}, {second})", f"{first:x}{second:x}", f"{first}\n{second}"):
            assert truth.found_in(leak.encode(), arena.clips["one"]) != []
        assert truth.found_in(clip.tokens_NHW[0, 5].tobytes(), arena.clips["one"]) != []
        assert truth.found_in(b"an innocent text of 123456, 123457 words", arena.clips["one"]) == []
