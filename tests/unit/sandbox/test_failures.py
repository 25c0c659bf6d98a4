"""What a failed build is called."""

import pytest

from harness.errors import Blame
from harness.sandbox import failures
from harness.sandbox.policy import SandboxPolicy


@pytest.mark.parametrize(
    ("facts", "log", "code"),
    [
        ({"was_late": True, "status": 137}, "", "build.timeout"),
        ({"is_out_of_memory": True, "status": 137}, "", "build.memory"),
        (
            {"status": 127},
            "[FATAL tini (7)] exec ./build.sh failed: No such file or directory",
            "build.not_executable",
        ),
        ({"status": 126}, "/bin/sh: 1: exec: ./build.sh: Permission denied", "build.not_executable"),
        ({"status": 127}, "./build.sh: line 2: pipp: command not found", "build.exit_status"),
        ({"status": 1}, "", "build.exit_status"),
    ],
)
def test_every_end_has_its_code_and_is_the_entrys(tmp_path, facts, log, code):
    (tmp_path / "log").write_text(log)
    defaults = {"was_late": False, "is_out_of_memory": False}
    failure = failures.of_script(**{**defaults, **facts}, log=tmp_path / "log", policy=SandboxPolicy())
    assert (failure.code, failure.blame) == (code, Blame.ENTRY)
    assert failure.fix
    assert log in failure.message


@pytest.mark.parametrize("is_out_of_memory", [True, False])
def test_a_script_that_ended_well_is_no_failure(tmp_path, is_out_of_memory):
    """A child killed for memory under a script that went on is the script's own business."""
    found = failures.of_script(
        status=0,
        is_out_of_memory=is_out_of_memory,
        was_late=False,
        log=tmp_path / "log",
        policy=SandboxPolicy(),
    )
    assert found is None


@pytest.mark.parametrize(
    ("reason", "blame", "code"),
    [
        ("size", Blame.ENTRY, "build.size"),
        ("files", Blame.ENTRY, "build.files"),
        ("unreadable", Blame.ENTRY, "build.unreadable"),
        ("disk", Blame.OPERATOR, "sandbox.disk"),
    ],
)
def test_a_full_disk_is_the_operators_and_a_full_folder_the_entrys(reason, blame, code):
    failure = failures.refused(reason, "it is so", SandboxPolicy())
    assert (failure.blame, failure.code) == (blame, code)
    assert "it is so" in failure.message


def test_the_quoted_log_cannot_steer_a_terminal(tmp_path):
    (tmp_path / "log").write_text("\x1b[2Jgone\n")
    failure = failures.of_script(
        status=1, is_out_of_memory=False, was_late=False, log=tmp_path / "log", policy=SandboxPolicy()
    )
    assert "\x1b" not in failure.message
