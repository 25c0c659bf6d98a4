"""A run's folder is one process's at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.training.sole import alone_in
from harness.errors import OutputFailed, UsageError

ROOT = Path(__file__).parents[4]
HOLDS_ON = """
import sys
from pathlib import Path
from baselines.training.sole import alone_in
with alone_in(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_has_died(tmp_path) -> None:
    program = [sys.executable, "-c", HOLDS_ON, str(tmp_path / "run")]
    with subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"mine\n"
        with pytest.raises(UsageError) as caught, alone_in(tmp_path / "run"):
            pass
        assert caught.value.code == "usage.run_in_use"
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with alone_in(tmp_path / "run"):
        pass


def test_a_folder_is_free_again_afterwards_and_others_are_all_along(tmp_path) -> None:
    for _ in range(2):
        with alone_in(tmp_path / "run"), alone_in(tmp_path / "other"):
            assert (tmp_path / "run").is_dir()


def test_a_folder_that_cannot_be_made_is_the_operator_s(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed, match="cannot be locked"), alone_in(tmp_path / "file" / "run"):
        pass
