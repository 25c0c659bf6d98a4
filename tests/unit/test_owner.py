"""Telling containers of living harnesses from those of dead ones."""

import os
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from harness import owner


def changed(position, value):
    parts = owner.this_process().split("/")
    parts[position] = value
    return "/".join(parts)


def test_this_process_is_not_gone():
    assert not owner.is_gone(owner.this_process())


def test_a_process_that_ended_is_gone():
    program = "from harness import owner; print(owner.this_process())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert owner.is_gone(done.stdout.strip())


def test_a_process_that_got_a_dead_ones_number_does_not_bring_it_back():
    assert owner.is_gone(changed(4, "1"))


def test_a_process_from_before_the_last_boot_is_gone():
    assert owner.is_gone(changed(1, "another-boot"))


@pytest.mark.parametrize(
    "label", ["", "nonsense", "a/b/c/d/e", changed(0, "another-host"), changed(2, "pid:[1]"), changed(3, "?")]
)
def test_in_doubt_nobody_is_gone(label):
    assert not owner.is_gone(label)


def test_the_label_names_this_process():
    assert owner.this_process().split("/")[3] == str(os.getpid())


def test_when_a_process_began_is_known_while_it_runs():
    process = subprocess.Popen(["sleep", "60"])
    try:
        began = owner.began_at(process.pid)
    finally:
        process.kill()
        process.wait()
    assert owner.began_at(os.getpid()) <= began <= datetime.now(timezone.utc)
    assert owner.began_at(process.pid) is None
