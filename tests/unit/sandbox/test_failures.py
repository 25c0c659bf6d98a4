"""What a failed build is called."""

import pytest

from harness.errors import Blame
from harness.sandbox import failures
from harness.sandbox.policy import SandboxPolicy


@pytest.mark.parametrize(
    ("facts", "log", "code"),
    [
        ({"was_late": True, "status": 137}, "", "build.timeout"),
        ({"was_late": True, "status": -9}, "", "build.timeout"),
        ({"killed_at_bytes": 1 << 30, "status": 137}, "", "build.memory"),
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
    defaults = {"was_late": False, "killed_at_bytes": None}
    failure = failures.of_script(**{**defaults, **facts}, log=tmp_path / "log", policy=SandboxPolicy())
    assert (failure.code, failure.blame) == (code, Blame.ENTRY)
    assert failure.fix
    assert log in failure.message


def test_the_limit_that_was_in_force_is_named(tmp_path):
    """The policy's own may be more than the machine has."""
    failure = failures.of_script(
        status=137,
        killed_at_bytes=3 << 29,
        was_late=False,
        log=tmp_path / "log",
        policy=SandboxPolicy(),
    )
    assert "1.5 GiB" in failure.message


@pytest.mark.parametrize("status", [137, -9])
def test_a_kill_that_was_not_for_memory_is_not_called_one_and_not_charged_to_the_entry(tmp_path, status):
    failure = failures.of_script(
        status=status, killed_at_bytes=None, was_late=False, log=tmp_path / "log", policy=SandboxPolicy()
    )
    assert (failure.blame, failure.code) == (Blame.OPERATOR, "sandbox.killed")


@pytest.mark.parametrize("killed_at_bytes", [1 << 30, None])
def test_a_script_that_ended_well_is_no_failure(tmp_path, killed_at_bytes):
    """A child killed for memory under a script that went on is the script's own business."""
    found = failures.of_script(
        status=0,
        killed_at_bytes=killed_at_bytes,
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
        status=1, killed_at_bytes=None, was_late=False, log=tmp_path / "log", policy=SandboxPolicy()
    )
    assert "\x1b" not in failure.message
