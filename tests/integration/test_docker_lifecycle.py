"""However a run ends, nothing of it is left: no process, container, or unbounded log."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import cgroup, flags, inspection, lifecycle
from harness.sandbox.container import DockerSandbox

pytestmark = [pytest.mark.docker]

DAEMON = """
import os, socket, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect("/held_out/gate.sock")
        while True:
            stream.send(b".")
            time.sleep(.05)
    os._exit(0)
"""
SLEEP = "import time; time.sleep(600)"


def wait_for_the_end(guest):
    while (ended := guest.how_it_ended()) is None:
        time.sleep(0.01)
    return ended


def test_a_daemon_dies_with_its_run(bench, puppet):
    """Its heartbeat comes while the run lasts, and ends with it."""
    gate = bench.gate(DAEMON + SLEEP)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(gate / "gate.sock"))
        (gate / "gate.sock").chmod(0o666)
        listener.listen()
        listener.settimeout(20)
        with bench.sandbox.run(puppet, grade_id="g", gate=gate, log=bench.run_log):
            stream, _ = listener.accept()
            stream.settimeout(20)
            assert stream.recv(1) == b"."
        with stream:
            while beat := stream.recv(4096):
                assert set(beat) == {ord(".")}
    assert bench.containers() == []


@pytest.mark.parametrize("ending", ["sys.exit(7)", "os.kill(os.getpid(), 11)", "print('hello')"])
def test_the_end_is_told_in_words(bench, puppet, ending):
    words = {"sys.exit(7)": "exited with status 7", "os.kill(os.getpid(), 11)": "killed by signal 11"}
    ended, _ = bench.play(puppet, f"import os, sys\n{ending}")
    assert ended == words.get(ending, "exited with status 0")


def test_running_out_of_memory_is_told(bench, puppet):
    """Guards mem_limit and memswap_limit: 256 MiB, and no swap."""
    ended, _ = bench.play(puppet, "b = b'x' * (1 << 28)\nb = b + b\nprint('still here')")
    assert "out of memory" in ended


def test_a_kill_from_outside_is_not_called_out_of_memory(bench, puppet):
    with bench.sandbox.run(puppet, grade_id="g", gate=bench.gate(SLEEP), log=bench.run_log) as guest:
        guest.container.kill()
        ended = wait_for_the_end(guest)
    assert ended == "killed by signal 9, from outside or by itself"


def test_a_container_carries_the_grade_it_belongs_to(bench, puppet):
    with bench.sandbox.run(puppet, grade_id="grade-7", gate=bench.gate(SLEEP), log=bench.run_log) as guest:
        assert guest.container.labels["wmc.grade"] == "grade-7"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_an_interrupted_host_leaves_nothing(bench, puppet, interruption):
    seen = []

    def grade():
        with bench.sandbox.run(puppet, grade_id="g", gate=bench.gate(SLEEP), log=bench.run_log) as guest:
            seen.append(guest.container.id)
            assert cgroup.processes(seen[0]), "it should be running now"
            raise interruption

    with pytest.raises(interruption):
        grade()
    assert cgroup.processes(seen[0]) == ()
    assert bench.containers() == []


def test_an_interrupted_build_leaves_nothing(bench):
    """A real Ctrl-C in the middle of build.sh; the volume is half built and goes too."""
    volumes = {volume.name for volume in bench.client.volumes.list()}
    files = bench.entry(build="#!/bin/sh\nsleep 600\n")

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 2.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            bench.build(files)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert bench.containers() == []
    assert {volume.name for volume in bench.client.volumes.list()} <= volumes


def test_what_a_killed_harness_left_is_removed_by_the_next(bench, puppet, policy, shared_cache):
    """kill -9 in the middle of a run; only containers of processes that are gone are touched."""
    program = (
        "import sys, time, pathlib\n"
        "from harness.sandbox.container import DockerSandbox\n"
        "from harness.sandbox.contract import BuiltEntry\n"
        "from harness.sandbox.supply import *\n"
        f"built = {puppet!r}\n"
        f"sandbox = DockerSandbox(base_image={policy.base_image!r})\n"
        f"gate = pathlib.Path({str(bench.gate(SLEEP))!r})\n"
        "with sandbox.run(built, grade_id='g', gate=gate, log=pathlib.Path('/dev/null')) as g:\n"
        "    print(g.container.id, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        container_id = harness.stdout.readline().strip()
        assert cgroup.processes(container_id)
        DockerSandbox(policy=policy, cache=shared_cache)
        assert cgroup.processes(container_id), "its harness lives: it is left alone"
        harness.kill()
    assert cgroup.processes(container_id), "killing the harness kills no container"
    DockerSandbox(policy=policy, cache=shared_cache)
    assert cgroup.processes(container_id) == ()


def test_a_ghost_cannot_be_made(bench, puppet, program):
    """Guards the refusal of ptrace: without it the engine says `exited` while a child runs on."""
    ended, said = bench.play(puppet, program("ghost"))
    assert ended == "exited with status 9"
    assert "no ghost: Operation not permitted" in said


def test_a_ghost_is_found_and_killed_where_ptrace_is_allowed(bench, puppet, program, monkeypatch):
    """Guards the look into the control group after the end: the engine itself notices nothing."""
    monkeypatch.setattr(inspection, "check", lambda *_: None)
    monkeypatch.setattr(flags, "seccomp_profile", lambda: '{"defaultAction": "SCMP_ACT_ALLOW"}')
    with pytest.raises(SandboxFailed) as caught:
        bench.play(puppet, program("ghost"))
    assert caught.value.code == "sandbox.survivor"
    assert "they are killed now" in caught.value.message
    assert bench.containers() == []


def test_a_flood_of_output_stays_within_the_cap(bench, puppet, policy):
    flood = "import os, time\nend = time.time() + 3\nwhile time.time() < end: os.write(1, b'flood' * 10000)\n"
    bench.play(puppet, flood + "os.write(1, b'the end')")  # of two streams the engine keeps no order
    log = bench.run_log.read_bytes()
    assert len(log) <= policy.log_bytes
    assert log.endswith(b"the end")


def test_an_entry_that_is_gone_is_not_run_as_an_empty_one(bench, puppet):
    from dataclasses import replace

    with (
        pytest.raises(SandboxFailed) as caught,
        bench.sandbox.run(
            replace(puppet, handle="wmc-no-such-volume"), grade_id="g", gate=bench.gate(""), log=bench.run_log
        ),
    ):
        pytest.fail("it was run")
    assert caught.value.code == "sandbox.entry_gone"


def test_the_page_cache_is_dropped_between_runs(bench, puppet):
    """Bits left in it by one container are not there for the next: a file of ours stands for the shared ones."""
    if os.geteuid() != 0:
        pytest.fail("run the Docker tests as root: the page cache cannot be dropped otherwise")
    witness = bench.folder / "witness"
    witness.write_bytes(bytes(1 << 20))
    assert resident(witness)
    bench.play(puppet, "")
    assert not resident(witness)
    assert bench.sandbox.details["page_cache"] == "dropped"
    assert bench.sandbox.details["container"].startswith("inspected")


def test_it_is_dropped_after_a_run_that_was_cut_short(bench, puppet):
    witness = bench.folder / "witness"
    witness.write_bytes(bytes(1 << 20))
    with (
        pytest.raises(KeyboardInterrupt),
        bench.sandbox.run(puppet, grade_id="g", gate=bench.gate(SLEEP), log=bench.run_log),
    ):
        raise KeyboardInterrupt
    assert not resident(witness)


@pytest.mark.parametrize("leftovers", [0, 1])
def test_it_is_dropped_where_a_killed_harness_left_a_run(bench, policy, monkeypatch, leftovers):
    """Before anything else is built or run there: nobody else did."""
    monkeypatch.setattr(lifecycle, "leftovers", lambda _client: ("wmc-run-gone",) * leftovers)
    witness = bench.folder / "witness"
    witness.write_bytes(bytes(1 << 20))
    os.sync()
    DockerSandbox(policy=policy, cache=bench.folder / "cache")
    assert resident(witness) == (not leftovers)


def resident(path) -> bool:
    """True when the file's first page is in the page cache."""
    import ctypes
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        buffer = ctypes.c_char.from_buffer(view)
        pages = ctypes.create_string_buffer(len(view) // mmap.PAGESIZE)
        failed = libc.mincore(ctypes.addressof(buffer), len(view), pages)
        del buffer
        if failed:
            raise OSError(ctypes.get_errno(), "mincore")
    return bool(pages.raw[0] & 1)
