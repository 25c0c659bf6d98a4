"""A child process of the process sandbox, from its start until its whole family is dead, and its log complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from harness import owner, undo
from harness.errors import SandboxFailed
from harness.sandbox import descendants, logs

_CHUNK_BYTES = 64 * 1024
_LOG_PATIENCE_S = 5.0
_NOBODY = -1
# The shell says why a script cannot be started, and with which status: what a container's init does there.
_LAUNCHER = ("/bin/sh", "-c", 'exec "$0" "$@"')


@contextmanager
def child(
    command: list[str], folder: Path, settings: dict[str, str], *, grade_id: str, log: Path, log_bytes: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own, in `folder`, its output going to `log`; on exit its whole family is dead.

    `settings` are what its environment has beside ours.

    Raises: SandboxFailed where a process of it cannot be killed, or the host cannot write the log.
    """
    mark = f"{grade_id}/{uuid.uuid4().hex}"
    process: subprocess.Popen[bytes] | None = None
    writer = _Writer(log=log, limit=log_bytes)
    try:
        process = subprocess.Popen(
            [*_LAUNCHER, *command],
            cwd=folder,
            env=_environment(settings, mark=mark),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,
        )
        writer.follow(process)
        yield process
    finally:
        undo.surely(lambda: _end(process, mark=mark))
        writer.finish()


def status_of(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit status, or minus the signal that ended it; None while it runs.

    It is not reaped: until its family is dead, nobody else may get its number.
    """
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll()
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


class _Writer:
    """Keeps the log of a child; whatever happens to the log, the child can go on writing."""

    def __init__(self, *, log: Path, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._thread: threading.Thread | None = None
        self._trouble: OSError | None = None

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Write what it says from now on, on a thread."""
        self._thread = threading.Thread(target=self._write, args=(process.stdout,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """The log is complete.

        Raises: SandboxFailed when the host could not write it.
        """
        if self._thread is not None:
            self._thread.join(timeout=_LOG_PATIENCE_S)
        if self._trouble is not None:
            raise logs.unwritable(self._log, self._trouble) from self._trouble

    def _write(self, output: IO[bytes]) -> None:
        with output:
            chunks = iter(lambda: os.read(output.fileno(), _CHUNK_BYTES), b"")
            try:
                logs.save(chunks, self._log, limit=self._limit)
            except OSError as error:
                self._trouble = error
                for _ in chunks:  # a child that cannot write would be blamed for our disk
                    pass


def _end(process: subprocess.Popen[bytes] | None, *, mark: str) -> None:
    """Its group and its family are dead; without a process, whoever carries the mark.

    Raises: SandboxFailed.
    """
    if process is not None and process.returncode is None:
        # Not reaped: the number of its group is nobody else's yet.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    left = descendants.kill_family(process.pid if process else _NOBODY, mark=mark)
    if process is not None:
        process.wait()
    if left:
        raise SandboxFailed(
            f"processes {sorted(left)} of the entry cannot be killed",
            fix="end them by hand before the next grade",
            code="sandbox.survivor",
        )


def _environment(settings: dict[str, str], *, mark: str) -> dict[str, str]:
    """Ours, with this Python first, so that an entry's `python3` has what the harness has."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **os.environ,
        **settings,
        "PATH": path,
        descendants.MARK: mark,
        descendants.OWNER_MARK: owner.this_process(),
    }
