"""Finding and killing a whole family of processes."""

import os
import subprocess
import time
import uuid

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
