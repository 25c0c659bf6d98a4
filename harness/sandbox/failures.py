"""Why a `./build.sh` did not do, in words an entrant can act on."""

from __future__ import annotations

import signal
from pathlib import Path

from harness.errors import BuildFailed, SandboxFailed
from harness.sandbox import logs
from harness.sandbox.policy import GIB, SandboxPolicy

_NOT_STARTED = (126, 127)
_SIGKILLED = (128 + signal.SIGKILL, -signal.SIGKILL)  # of a container, of a plain process
_DISK_FULL = "no space left on device"  # in the engine's words
_REFUSALS = {"size": "build.size", "files": "build.files", "unreadable": "build.unreadable"}
_LAUNCHER_COMPLAINS = ("[FATAL tini", "exec: ./build.sh")


def of_script(
    *,
    status: int,
    was_late: bool,
    log: Path,
    policy: SandboxPolicy,
    killed_at_bytes: int | None = None,
) -> BuildFailed | SandboxFailed | None:
    """What went wrong in a build.sh that is over; None when it ended with status 0 in time.

    `killed_at_bytes` is the memory limit that something of it was killed for; None if nothing was.
    """
    if was_late:
        return _timed_out(policy, log=log)
    if status == 0:
        return None  # a child may have been killed for memory, yet the script itself was content
    if killed_at_bytes is not None:
        return _out_of_memory(killed_at_bytes, log=log)
    if status in _SIGKILLED:
        return _killed("; the engine saw no kill for memory" if status > 0 else "", log=log)
    if status in _NOT_STARTED and any(words in logs.last_lines(log) for words in _LAUNCHER_COMPLAINS):
        return _not_executable(log=log)
    return _exit_status(status, log=log)


def is_disk_full(error: Exception) -> bool:
    """Whether an engine's error says that there was no room for something."""
    return _DISK_FULL in str(error)


def refused(reason: str, message: str, policy: SandboxPolicy) -> BuildFailed | SandboxFailed:
    """What `tree.TreeRefused` means for a grade: the host's disk is the operator's, the rest the entry's."""
    if reason == "disk":
        return SandboxFailed(
            f"the engine's disk is nearly full: {message}",
            fix="free space (docker system df shows what uses it), then grade again",
            code="sandbox.disk",
        )
    fixes = {
        "size": f"leave at most {policy.entry_bytes:,} bytes in the folder; delete caches and archives",
        "files": f"leave at most {policy.entry_files} files in the folder",
        "unreadable": "leave only files and folders with ordinary names, depths and rights",
    }
    return BuildFailed(
        f"the entry's folder was refused: {message}", fix=fixes[reason], code=_REFUSALS[reason]
    )


def _exit_status(status: int, *, log: Path) -> BuildFailed:
    return BuildFailed(
        _with_log(f"build.sh ended with status {status}", log),
        fix="read the whole log, which `wmc check` keeps where it says: the first command to fail is usually the cause",
        code="build.exit_status",
    )


def _timed_out(policy: SandboxPolicy, *, log: Path) -> BuildFailed:
    return BuildFailed(
        _with_log(f"build.sh was stopped after {policy.build_timeout_s:.0f} s", log),
        fix="ship wheels or weights instead of compiling or computing them, and wait for nothing",
        code="build.timeout",
    )


def _not_executable(*, log: Path) -> BuildFailed:
    return BuildFailed(
        _with_log("build.sh cannot be started", log),
        fix="its first line must be #!/bin/bash or the like, with Unix line ends, and its execute bit set",
        code="build.not_executable",
    )


def _killed(known: str, *, log: Path) -> SandboxFailed:
    return SandboxFailed(
        _with_log(f"build.sh was killed by signal 9{known}", log),
        fix="grade again; if it happens again, see whether the machine ran out of memory (dmesg), or build.sh kills "
        "itself",
        code="sandbox.killed",
    )


def _out_of_memory(limit_bytes: int, *, log: Path) -> BuildFailed:
    return BuildFailed(
        _with_log(f"build.sh needed more than {limit_bytes / GIB:.1f} GiB of memory", log),
        fix="what lies in /tmp is memory too: build in the entry's folder, with fewer jobs at once",
        code="build.memory",
    )


def _with_log(message: str, log: Path) -> str:
    lines = logs.last_lines(log)
    return f"{message}; the log ends:\n{lines}" if lines else f"{message}; it wrote nothing"
