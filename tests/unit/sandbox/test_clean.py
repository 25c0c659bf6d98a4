"""Removing what is not needed any more, with the process sandbox; volumes in integration/test_docker_clean.py."""

import os
import threading

import pytest

from harness.progress import Silent
from harness.sandbox import built as builds
from harness.sandbox.clean import clean_process
from harness.sandbox.process import ProcessSandbox

DAY_S = 24 * 3600


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def build(tmp_path, cache):
    def build(sha256="ab" * 32):
        """A sandbox that holds on to what it built."""
        files = tmp_path / sha256[:4]
        files.mkdir(exist_ok=True)
        (files / "build.sh").write_text(
            "#!/bin/sh\nmkdir -p shut/inner; touch shut/inner/file; chmod 555 shut\n"
        )
        (files / "build.sh").chmod(0o755)
        sandbox = ProcessSandbox(cache=cache)
        sandbox.build(files, entry_sha256=sha256, grade_id="g", log=tmp_path / "log", progress=Silent())
        return sandbox

    return build


def test_a_build_in_use_stays_and_goes_with_its_user(build, cache):
    sandbox = build()
    assert clean_process(cache, unused_s=0).in_use == 1
    assert len(list((cache / "process").glob("*/"))) == 1
    del sandbox
    found = clean_process(cache, unused_s=0)
    assert (found.removed, found.in_use) == (1, 0)
    assert list((cache / "process").iterdir()) == []


def test_only_what_nobody_asked_for_lately_goes(build, cache):
    build("ab" * 32)
    build("cd" * 32)
    [old] = (cache / "process").glob("abab*.json")
    os.utime(old, (0, 0))
    assert clean_process(cache, unused_s=DAY_S).removed == 1
    assert [path.name[:4] for path in (cache / "process").glob("*/")] == ["cdcd"]


def test_asking_for_a_build_again_makes_it_young(build, cache):
    build()
    [note] = (cache / "process").glob("*.json")
    os.utime(note, (0, 0))
    build()
    assert clean_process(cache, unused_s=DAY_S).removed == 0


def test_a_sandbox_for_one_check_leaves_nothing(build, cache):
    build().discard_builds()
    assert list((cache / "process").iterdir()) == []


def test_who_waits_for_a_lock_that_is_cleaned_away_gets_the_new_one(tmp_path):
    """Otherwise two could build the same entry at once: one holds the old file, one the new."""
    record = tmp_path / "x.json"
    holders = []

    def wait():
        with builds.locked(record):
            holders.append(record.with_suffix(".lock").exists())

    with builds.locked(record):
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(timeout=0.2)
        record.with_suffix(".lock").unlink()
    waiting.join()
    assert holders == [True]


def test_what_a_killed_writer_left_goes_with_its_build(build, cache):
    sandbox = build()
    [note] = (cache / "process").glob("*.json")
    half_a_record = note.with_name(f".{note.name}.0123456789ab.unfinished")
    half_a_record.touch()
    del sandbox
    assert clean_process(cache, unused_s=0).removed == 1
    assert list((cache / "process").iterdir()) == []


def test_nothing_to_clean_is_nothing_to_complain_about(cache):
    assert clean_process(cache, unused_s=0).removed == 0
