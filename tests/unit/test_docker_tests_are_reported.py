"""A Docker test that did not run is seen: a clear line at the end, or a failure where Docker is required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_docker_tests(tmp_path):
    def run(**environment):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests/integration/test_docker_lifecycle.py",
            "-p",
            "no:cacheprovider",
        ]
        inherited = {
            key: value for key, value in os.environ.items() if key not in {"WMC_REQUIRE_DOCKER", "CI"}
        }
        nobody = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**inherited, **nobody, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_without_an_engine_they_are_skipped_and_the_last_lines_say_so(run_docker_tests):
    done = run_docker_tests()
    *_, told, closing = done.stdout.strip().splitlines()
    assert done.returncode == 0
    assert "Docker tests were skipped: no Docker engine answers" in told
    assert "bash .ci/run" in told
    assert "skipped" in closing
    assert "passed" not in closing


def test_where_docker_is_required_they_fail(run_docker_tests):
    done = run_docker_tests(WMC_REQUIRE_DOCKER="1")
    assert done.returncode == 1
    closing = done.stdout.strip().splitlines()[-1]
    assert "skipped" not in closing
    assert "passed" not in closing
    assert "WMC_REQUIRE_DOCKER is set, but no Docker engine answers" in done.stdout
