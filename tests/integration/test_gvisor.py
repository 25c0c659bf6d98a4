"""Entries in gVisor: graded to the same numbers, with a kernel between them and the host's; what that changes.

The engine has to know a runtime `runsc` (Debian's package of that name, or gVisor's own) that is started with
`--host-uds=open`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.sandbox import cgroup, network
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import SandboxPolicy, seccomp_sha256

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import caging
from arena import Arena, graded, open_zoo
from cases import MACHINE, PROBES, Case

ROOT = Path(__file__).parents[2]
RUNTIME = "runsc"

pytestmark = [pytest.mark.gvisor, pytest.mark.timeout(120)]

REFUSED = {
    *("EPERM", "EACCES", "EROFS", "ENOSYS", "ENOENT", "ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED"),
    *("EAFNOSUPPORT", "ENOTSUP", "EOPNOTSUPP", "ENODEV", "unresolved", "none", "loopback only"),
}
OF_ITS_OWN_KERNEL = {
    "asks_io_uring": {"io_uring_setup"},
    "makes_namespaces": {
        *("unshare mount", "unshare cgroup", "unshare user", "clone user and mount", "clone user and cgroup"),
        *("clone user and uts", "clone user and ipc", "clone user and user", "clone user and pid"),
        "clone user and net",
    },
    "reads_other_processes": {"ptrace"},
    "seeks_rights": {"mknod", "nice"},
}
"""What gVisor may grant unless it is given our filter, for it is its own kernel that grants it: nothing of the host's
is behind a device without a driver, a priority among its own tasks, or a namespace of its own."""

ENDS = {
    "ghost": MACHINE["ghost"],
    "leaves_a_daemon": MACHINE["leaves_a_daemon"],
    "page_cache": replace(MACHINE["page_cache"], outcome="guest.exception"),
    "kernel_counters": replace(MACHINE["kernel_counters"], outcome="guest.exception"),
    "fork_bomb": replace(MACHINE["fork_bomb"], outcome="guest.no_connection"),
    "memory_bomb": MACHINE["memory_bomb"],
    "fills_socket_buffers": replace(MACHINE["fills_socket_buffers"], outcome="guest.no_connection"),
}
"""How entries that are after the kernel end here.

In runc the page cache and the kernel's counters have to be kept from them; here they have neither a way to ask what is
in the cache (`RWF_NOWAIT`) nor `/proc/vmstat`, and fail on that. What lies in sockets is the sandbox's own memory, so
that the hole of control groups of version 1 is closed. At the end of its processes the whole sandbox ends.
"""


@pytest.fixture(scope="module")
def arena(
    policy: SandboxPolicy, docker_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    small = replace(policy, runtime=RUNTIME)
    with open_zoo(small, docker_client, tmp_path_factory.mktemp("gvisor")) as arena:
        yield arena


def test_an_entry_has_the_same_numbers_to_the_bit(arena: Arena, policy: SandboxPolicy) -> None:
    submission = pack(ROOT / "baselines" / "copy_last", arena.folder / "copy_last.zip").path
    kept = []
    for runtime in (None, RUNTIME):
        sandbox = DockerSandbox(
            policy=replace(policy, runtime=runtime), cache=arena.folder / f"cache-{runtime}"
        )
        request = GradeRequest(submission=submission, data=arena.clips["one"], pictures=False)
        report = grade(request, sandbox=sandbox, store=arena.store, progress=Silent())
        sandbox.discard_builds()
        results = [
            graded(report, regime)
            for regime in (Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED)
        ]
        kept.append([dict(np.load(arena.store.folder / result.tokens_file)) for result in results])
    details, kept_policy = report.provenance.sandbox_details, report.provenance.sandbox_policy
    assert kept_policy["runtime"] == RUNTIME
    has_filter = "--oci-seccomp" in details["runtime_arguments"]
    assert (kept_policy["seccomp_sha256"] == seccomp_sha256()) is has_filter
    assert has_filter or kept_policy["seccomp_sha256"].startswith("not applied")
    assert details["survivors"] == "checked"
    if "--network=none" in details["runtime_arguments"]:
        assert details["build_network"] == network.NONE_BY_RUNTIME.description
    for plain, own_kernel in zip(*kept, strict=True):
        assert plain.keys() == own_kernel.keys()
        for name in plain:
            np.testing.assert_array_equal(plain[name], own_kernel[name])


@pytest.mark.parametrize("name", ENDS)
def test_what_is_after_the_kernel_gains_nothing(arena: Arena, name: str) -> None:
    arena.expect(name, ENDS[name])


@pytest.fixture(scope="module")
def probed(arena: Arena) -> dict[str, dict[str, Any]]:
    """What each probe found, all of them in one container."""
    found: dict[str, dict[str, Any]] = arena.told(arena.expect(caging.PROBES, Case(control="all of them")))
    return found


@pytest.mark.parametrize("name", [name for name in PROBES if name != "looks_around"])
def test_a_probe_gets_no_further(probed: dict[str, dict[str, Any]], name: str) -> None:
    got_through = {what for what, answer in probed[name].items() if answer not in REFUSED}
    assert probed[name] != {}
    assert got_through - OF_ITS_OWN_KERNEL.get(name, set()) == set()


def test_the_control_group_shows_the_sandbox_and_then_nothing(arena: Arena, tmp_path: Path) -> None:
    """Guards the look for survivors: the kernel's list holds gVisor's processes too, and they are gone at the end."""
    arena.cage.next = "never_connects"
    gate = tmp_path / "gate"
    gate.mkdir(mode=0o755)
    with arena.cage.run(arena.cage.zoo, grade_id="g", gate=gate, log=tmp_path / "log") as guest:
        commands = _commands(guest.container.id)
        deadline = time.monotonic() + 30  # one that is just starting its program has no command yet
        while not any("runsc-sandbox" in command for command in commands) and time.monotonic() < deadline:
            time.sleep(0.05)
            commands = _commands(guest.container.id)
    assert any("runsc-sandbox" in command for command in commands), commands
    assert cgroup.processes(guest.container.id) == ()


def _commands(container_id: str) -> set[str]:
    return {_command(pid) for pid in cgroup.processes(container_id)}


def _command(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
