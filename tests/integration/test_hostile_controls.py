"""With its control switched off an attack of `tests/entries` works: so it is the control that stops it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.data.windows import Schedule
from harness.protocol.wire import SocketChannel
from harness.results.attempts import counts
from harness.sandbox import disk_image, flags, lifecycle, page_cache
from harness.sandbox.flags import GRADE_LABEL
from harness.sandbox.policy import SandboxPolicy

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import aftermath
import caging
from arena import Arena, expect_of, graded, open_zoo
from cases import GATE, MACHINE, SLOW, Case

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

ENOUGH_DESCRIPTORS = 300
PROBING = Case(control="all of them")
UNGUARDED = {
    "asks_af_alg": ["packet", "alg"],
    "asks_io_uring": ["io_uring_setup", "io_uring_enter", "io_uring_register"],
    "asks_the_keyring": ["keyctl", "add_key"],
    "asks_vsock": ["socket"],
    "looks_around": ["environment", "users"],
    "makes_namespaces": ["unshare user", "unshare net", "clone user and net", "setns", "clone3 user"],
    "mounts": ["mount", "umount2", "fsopen", "chroot"],
    "reads_other_processes": ["ptrace", "process_vm_readv", "kcmp", "userfaultfd"],
    "seeks_rights": ["setuid", "mknod", "the guest's module", "capabilities", "no new privileges"],
    "seeks_the_engine": ["/var/run/docker.sock"],
    "seeks_the_network": ["udp to bridge", "raw packets", "interfaces"],
}


@pytest.fixture(scope="module")
def arena(
    policy: SandboxPolicy, docker_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    with open_zoo(policy, docker_client, tmp_path_factory.mktemp("controls")) as arena:
        yield arena


@pytest.fixture(scope="module")
def probed(arena: Arena) -> dict[str, dict[str, Any]]:
    """What each probe found, all of them in one container."""
    found: dict[str, dict[str, Any]] = arena.told(arena.expect(caging.PROBES, PROBING))
    return found


@pytest.fixture(scope="module")
def unguarded(arena: Arena) -> dict[str, dict[str, Any]]:
    """What the same probes find where nothing is forbidden."""
    everything_off = {
        "user": "0:0",
        "cap_drop": [],
        "cap_add": ["SYS_ADMIN"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
        "read_only": False,
        "network_mode": "bridge",
        "volumes": {"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "ro"}},
        "environment": {"PYTHONPATH": "/opt/wmc_guest", "SECRET": "1"},
    }
    with arena.without(**everything_off):
        found: dict[str, dict[str, Any]] = arena.told(arena.expect(caging.PROBES, PROBING))
    return found


@pytest.mark.parametrize(("name", "attempts"), UNGUARDED.items())
def test_a_probe_gets_further(
    probed: dict[str, Any], unguarded: dict[str, Any], name: str, attempts: list[str]
) -> None:
    """Some families and calls are not in every kernel: what counts is that it was not ours who said no."""
    for attempt in attempts:
        assert unguarded[name][attempt] != probed[name][attempt], attempt


def test_without_seccomp_a_ghost_outlives_its_container(arena: Arena) -> None:
    """The look into the control group finds it: whatever the engine says, the grade is void."""
    with arena.without(security_opt=["no-new-privileges", "seccomp=unconfined"]):
        arena.expect("ghost", Case(control="", outcome="sandbox.survivor", blame="operator"))


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_without_patience_a_slow_death_voids_its_grade_and_is_an_attempt(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The five minutes are one second here. It dies all the same, and only who waits can remove it."""
    arena.twin()
    known = {report.grade_id for report in arena.store.reports()}
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "_END_TIMEOUT_S", 1.0)
        with pytest.raises(AssertionError, match="container wmc-run-"):  # that is left
            arena.grade("dies_slowly", SLOW["dies_slowly"])
    (report,) = (each for each in arena.store.reports() if each.grade_id not in known)
    for left in arena.client.containers.list(all=True, filters={"label": f"{GRADE_LABEL}={report.grade_id}"}):
        lifecycle._end(arena.client, left.name, log=None, log_bytes=0)
    aftermath.check_nothing_is_left(
        arena.client, grade_id=report.grade_id, container_ids=arena.ids, temporary=arena.temporary
    )
    expect_of(report, Case(control="", outcome="sandbox.survivor", blame="operator"), twin=arena.twin())
    assert counts(report), "an attempt for nothing"


def test_without_dropping_the_page_cache_a_frame_crosses(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a watched volume: of a file system that is mounted for one run the kernel drops the pages by itself."""
    monkeypatch.setattr(disk_image, "obstacle", lambda _client: "switched off")
    monkeypatch.setattr(page_cache, "drop", lambda: False)
    with open_zoo(arena.cage.policy, arena.client, tmp_path_factory.mktemp("watched")) as watched:
        report, twin = watched.grade("page_cache", MACHINE["page_cache"]), watched.twin()
    assert graded(report).loss_by_frame[0] < graded(twin).loss_by_frame[0] - 3
    assert graded(report).loss_by_frame[1:] == pytest.approx(graded(twin).loss_by_frame[1:])


def test_with_a_folder_that_lasts_the_prompt_crosses(arena: Arena) -> None:
    kept = arena.folder / "kept"
    kept.mkdir()
    kept.chmod(0o777)
    with arena.without(tmpfs={}, volumes={str(kept): {"bind": "/tmp", "mode": "rw"}}):
        report = arena.grade("remembers_regimes", MACHINE["remembers_regimes"])
    assert graded(report).loss_by_frame[0] < graded(arena.twin()).loss_by_frame[0] - 3


def test_in_an_order_that_leaks_what_was_shown_is_of_use(arena: Arena) -> None:
    """1X's own list shows neighbours 33 ms away: the grade says so, and the elephant gains by it."""
    named = {"clip": "long", "schedule": Schedule.UPSTREAM, "max_windows": 3}
    elephant = arena.grade("remembers_windows", MACHINE["remembers_windows"], **named)
    innocent = arena.grade("innocent", MACHINE["innocent"], **named)
    assert elephant.provenance.order_leaks
    assert graded(elephant).loss < graded(innocent).loss - 2


def test_without_a_limit_it_forks_as_it_likes(arena: Arena) -> None:
    with arena.without(pids_limit=-1, mem_limit=4 << 30, memswap_limit=4 << 30):
        assert arena.told(arena.grade("fork_bomb", MACHINE["fork_bomb"]))["children"] == 400


def test_without_limits_it_has_all_threads_and_files_it_wants(arena: Arena) -> None:
    with arena.without(pids_limit=-1, ulimits=[{"Name": "nofile", "Soft": 8192, "Hard": 8192}]):
        told = arena.told(arena.grade("thread_bomb", MACHINE["thread_bomb"]))
    assert told == {"threads": 400, "files": 6000}


def test_with_more_memory_the_bomb_does_not_go_off(arena: Arena) -> None:
    with arena.without(mem_limit=1 << 30, memswap_limit=1 << 30):
        arena.expect("memory_bomb", Case(control=""))


def test_without_sizes_it_fills_what_it_finds(arena: Arena) -> None:
    off = {"tmpfs": {"/tmp": "rw,exec,mode=1777"}, "shm_size": 128 << 20, "mem_limit": 1 << 30}
    with arena.without(memswap_limit=1 << 30, **off):
        told = arena.told(arena.grade("fills_memory_disks", MACHINE["fills_memory_disks"]))
    assert told == {"MiB in /tmp": 100, "files in /tmp": 3000, "MiB in /dev/shm": 100}


def test_without_the_local_driver_the_engine_s_disk_fills(arena: Arena) -> None:
    with arena.without(log_config={"type": "json-file", "config": {}}), pytest.raises(AssertionError):
        arena.grade("floods_its_log", MACHINE["floods_its_log"])
    assert arena.cage.log_bytes > aftermath.ENGINE_LOG_BYTES


def test_what_lies_in_the_container_is_found(arena: Arena) -> None:
    with arena.without(volumes={str(arena.clips["one"]): {"bind": "/mnt", "mode": "ro"}}):
        report = arena.grade("searches_for_truth", MACHINE["searches_for_truth"])
    assert arena.told(report)["found in"] == ["/mnt/video.bin"]


def test_a_gate_that_can_be_written_is_taken_away(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = flags.folder_mount

    def writable(source: str, target: str) -> Any:
        return {**mount(source, target), "ReadOnly": False}

    monkeypatch.setattr(flags, "folder_mount", writable)
    with arena.without(user="0:0", cap_drop=[]):
        arena.expect("replaces_the_socket", Case(control="", outcome="guest.no_connection"))


def test_a_host_that_takes_descriptors_runs_out_of_them(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def receive_into(self: SocketChannel, view: memoryview, *, deadline: float) -> None:
        while view.nbytes:
            body, descriptors, _, _ = socket.recv_fds(self._stream, view.nbytes, 1000)
            view[: len(body)] = body
            view = view[len(body) :]
            taken.extend(descriptors)
            while len(taken) > ENOUGH_DESCRIPTORS:
                os.close(taken.pop())

    monkeypatch.setattr(SocketChannel, "receive_into", receive_into)
    with pytest.raises(AssertionError):
        arena.grade("spams_descriptors", GATE["spams_descriptors"])
    for descriptor in taken:
        os.close(descriptor)
    assert len(taken) == ENOUGH_DESCRIPTORS
