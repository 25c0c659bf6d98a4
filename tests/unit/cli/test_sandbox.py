"""`wmc sandbox status`, as `make demo` and people use it."""

import json
import subprocess
import sys

import pytest

from harness.progress import Silent
from harness.sandbox.process import ProcessSandbox


@pytest.fixture
def wmc(tmp_path, monkeypatch):
    """Runs `wmc sandbox ...` where no engine answers."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    def run(*arguments):
        command = [sys.executable, "-m", "harness", "sandbox", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_status_prints_one_word_and_warns_beside_it(wmc):
    """`make demo` takes the word."""
    done = wmc("status")
    assert (done.returncode, done.stdout) == (0, "process\n")
    assert "NO ISOLATION" in done.stderr
    assert "sudo systemctl start docker" in done.stderr


def test_json_is_one_object(wmc):
    done = wmc("status", "--json")
    answer = json.loads(done.stdout)
    assert answer["sandbox"] == "process"
    assert answer["details"]["isolation"] == "none"
    assert answer["switch_on"]


def test_building_without_an_engine_is_the_operators_error(wmc):
    done = wmc("build")
    assert done.returncode == 3
    assert "sandbox.no_engine" in done.stderr
    assert done.stdout == ""


def test_an_action_is_needed(wmc):
    assert wmc().returncode == 2


def test_cleaning_removes_what_was_built_and_says_so(wmc, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = tmp_path / "files"
    files.mkdir()
    (files / "build.sh").write_text("#!/bin/sh\n")
    (files / "build.sh").chmod(0o755)
    ProcessSandbox().build(
        files, entry_sha256="ab" * 32, grade_id="g", log=tmp_path / "log", progress=Silent()
    )
    assert wmc("clean", "--days", "1").stdout == "process: 0 built folders removed, 0 in use\n"
    done = wmc("clean")
    assert done.stdout == "process: 1 built folders removed, 0 in use\n"
    assert "Docker's volumes stay as they are" in done.stderr
    assert list((tmp_path / "cache" / "wmc" / "process").iterdir()) == []


def test_days_that_are_no_number_are_told_in_words(wmc):
    done = wmc("clean", "--days=-1")
    assert done.returncode == 2
    assert "'-1' is not a number of days of at least 0" in done.stderr
