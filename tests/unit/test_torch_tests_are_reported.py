"""A test of torch that did not run is seen: a clear line at the end, or a failure where torch is required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_without_torch(tmp_path):
    """Pytest on the golden tests in a Python that cannot find torch."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")

    def run(**environment):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests/unit/baselines/test_genie_golden.py",
            "-p",
            "no:cacheprovider",
        ]
        inherited = {key: value for key, value in os.environ.items() if key != "WMC_REQUIRE_TORCH"}
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**inherited, "PYTHONPATH": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_without_torch_they_are_skipped_and_the_last_lines_say_so(run_without_torch):
    done = run_without_torch()
    *_, told, closing = done.stdout.strip().splitlines()
    assert done.returncode == 0
    assert "torch tests were skipped: there is no torch in this Python" in told
    assert "pip install -c constraints.txt -e '.[genie]'" in told
    assert "skipped" in closing
    assert "passed" not in closing


def test_where_torch_is_required_they_fail(run_without_torch):
    done = run_without_torch(WMC_REQUIRE_TORCH="1")
    assert done.returncode == 1
    closing = done.stdout.strip().splitlines()[-1]
    assert "skipped" not in closing
    assert "passed" not in closing
    assert "WMC_REQUIRE_TORCH is set, but there is no torch in this Python" in done.stdout
