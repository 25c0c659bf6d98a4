"""Finding and killing a whole family of processes."""

import os
import subprocess
import sys
import threading
import time
import uuid

from harness import owner
from harness.sandbox import descendants


def start(script, **environment):
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        start_new_session=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def test_only_the_family_is_killed():
    """A neighbour in another session without the mark lives on."""
    mark = uuid.uuid4().hex
    root = start("sleep 600 & setsid sleep 600 & sleep 600", **{descendants.MARK: mark})
    neighbour = start("sleep 600", **{descendants.MARK: "another"})
    try:
        while len(descendants.family(root.pid, mark=mark)) < 4:
            time.sleep(0.01)
        assert descendants.kill_family(root.pid, mark=mark) == frozenset()
        assert neighbour.poll() is None
    finally:
        neighbour.kill()
        neighbour.wait()
        root.wait()
    assert root.returncode == -9


def test_a_name_that_is_no_text_hides_nobody():
    """A process gives itself any name; one that cannot be read as UTF-8 once made it look as if it had ended."""
    mark = uuid.uuid4().hex
    named = (
        "import time; open('/proc/self/comm', 'wb').write(b'\\xff) Z 1 1')"
        "; print('named', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", named],
        env={**os.environ, descendants.MARK: mark},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b"named\n"
        assert owner.began_at(process.pid) is not None
        assert descendants.kill_family(1 << 30, mark=mark) == frozenset()
        assert process.wait(60) == -9
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_mark_is_not_matched_by_a_longer_one():
    root = start("sleep 600", **{descendants.MARK: "abcdef"})
    try:
        assert root.pid not in descendants.family(1 << 30, mark="abc")
        assert root.pid in descendants.family(1 << 30, mark="abcdef")
    finally:
        root.kill()
        root.wait()


def test_this_process_is_never_part_of_the_family():
    assert os.getpid() not in descendants.family(os.getpid(), mark="none")


def test_a_bomb_is_stopped(tmp_path):
    """Every child starts another before it ends, so that killing one by one never gets to the end."""
    mark = uuid.uuid4().hex
    hop = tmp_path / "hop"
    hops = tmp_path / "hops"
    hop.write_text(f'#!/bin/sh\necho >> {hops}\nsleep .01\n"$0" &\n')
    hop.chmod(0o755)
    root = start(f"{hop} & {hop} & sleep 600", **{descendants.MARK: mark})
    try:
        while not hops.exists() or hops.stat().st_size < 20:
            time.sleep(0.01)
        assert descendants.kill_family(root.pid, mark=mark) == frozenset()
        for _ in range(20):
            assert descendants.family(root.pid, mark=mark) == frozenset()
    finally:
        root.wait()


def a_dead_harness() -> str:
    program = "from harness import owner; print(owner.this_process())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_a_killed_harness_started_is_found_and_killed():
    mark = uuid.uuid4().hex
    marks = {descendants.MARK: mark, descendants.OWNER_MARK: a_dead_harness()}
    orphan = start("sleep 600 & setsid sleep 600 & sleep 600", **marks)
    try:
        while len(descendants.orphans().get(mark, ())) < 4:
            time.sleep(0.01)
        assert descendants.kill_orphans() == frozenset()
        assert mark not in descendants.orphans()
    finally:
        orphan.kill()
        assert orphan.wait() == -9


def test_processes_of_the_living_and_of_nobody_are_no_orphans():
    """Control: only whose owner is certainly gone is killed."""
    mark = uuid.uuid4().hex
    kept = [
        start("sleep 600", **{descendants.MARK: mark, descendants.OWNER_MARK: owner.this_process()}),
        start("sleep 600", **{descendants.MARK: mark}),
        start("sleep 600", **{descendants.OWNER_MARK: a_dead_harness()}),
    ]
    try:
        while not all(descendants.family(each.pid, mark=mark) for each in kept):
            time.sleep(0.01)
        descendants.kill_orphans()
        assert [each.poll() for each in kept] == [None] * 3
    finally:
        for each in kept:
            each.kill()
            each.wait()


def test_a_process_that_is_just_starting_its_program_is_waited_for(tmp_path, monkeypatch):
    """Until a program is loaded the kernel shows no environment: a look in that moment would miss its mark."""
    monkeypatch.setattr(descendants, "_PROC", tmp_path)
    monkeypatch.setattr(descendants, "_EXEC_PATIENCE_S", 60)
    folder = tmp_path / "4000000"
    folder.mkdir()
    shown = {"stat": "4000000 (sh) R 1 4000000 4000000", "exe": "", "cmdline": "", "environ": ""}
    for name, text in shown.items():
        (folder / name).write_text(text)

    def load() -> None:
        (folder / "environ").write_text(f"{descendants.MARK}=m\0")
        (folder / "cmdline").write_text("sleep\0600\0")

    loading = threading.Timer(0.02, load)
    loading.start()
    assert descendants.family(1 << 30, mark="m") == {4000000}
    loading.join()
