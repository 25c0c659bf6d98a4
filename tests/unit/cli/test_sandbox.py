"""`wmc sandbox status`, as `make demo` and people use it."""

import json
import subprocess
import sys

import pytest


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
