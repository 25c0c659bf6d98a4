"""The process sandbox: the same contract without isolation, for one's own code and machines without an engine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildFailed, SandboxFailed
from harness.progress import Progress
from harness.sandbox import descendants, failures, guest_module, logs, record, source, tree
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.policy import SandboxPolicy

_CHUNK_BYTES = 64 * 1024
_LOG_PATIENCE_S = 5.0
_POLL_S = 0.02
# The shell says why a script cannot be started, and with which status: what a container's init does there.
_LAUNCHER = ("/bin/sh", "-c", 'exec "$0" "$@"')


@dataclass(frozen=True, kw_only=True)
class ProcessGuest:
    """A plain child process that runs `./evaluate.py`."""

    process: subprocess.Popen[bytes]

    def how_it_ended(self) -> str | None:
        """In words; None while it runs."""
        status = _status(self.process)
        if status is None:
            return None
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


class ProcessSandbox:
    """Builds and runs entries with the rights of whoever calls it; never for a stranger's code."""

    name = "process"

    def __init__(self, *, policy: SandboxPolicy | None = None, cache: Path | None = None) -> None:
        self.policy = policy or SandboxPolicy()
        self._cache = (cache or record.default_cache()) / "process"

    @property
    def details(self) -> dict[str, str]:
        """What the grade's provenance records: that there was no isolation, and which Python stood in."""
        return {"isolation": "none", "python": platform.python_version(), "platform": platform.platform()}

    def build(self, files: Path, *, entry_sha256: str, log: Path, progress: Progress) -> BuiltEntry:
        """Run `./build.sh` in a copy of `files` in the cache folder, once per entry and Python.

        Raises: BuildFailed, SandboxFailed.
        """
        place = self._cache / f"{entry_sha256[:12]}-{_python_id()}"
        note = place.with_suffix(".json")
        with record.locked(note):
            built = self._find(note, place, entry_sha256=entry_sha256)
            if built is None:
                built = self._build(files, place, entry_sha256=entry_sha256, log=log, progress=progress)
                shutil.copyfile(log, place.with_suffix(".log"))
                record.write(note, built)
            elif place.with_suffix(".log").exists():
                shutil.copyfile(place.with_suffix(".log"), log)
            return built

    @contextmanager
    def run(self, built: BuiltEntry, *, gate: Path, log: Path) -> Iterator[ProcessGuest]:
        """Start `./evaluate.py --val_data_dir GATE`; on exit it, its group and its descendants are killed.

        Raises: SandboxFailed when the built entry is gone or a process of it cannot be killed.
        """
        place = Path(built.handle)
        if not place.is_dir():
            raise SandboxFailed(
                f"the built entry {place} is gone",
                fix="grade again: it will be built again",
                code="sandbox.entry_gone",
            )
        with tempfile.TemporaryDirectory(prefix="wmc-guest-") as folder:
            guest_module.put(Path(folder))
            # A compiled file written beside a source would change the entry that was hashed.
            settings = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
            command = ["./evaluate.py", "--val_data_dir", str(gate.resolve())]
            with self._child(command, place, settings, log=log) as process:
                yield ProcessGuest(process=process)

    def _find(self, note: Path, place: Path, *, entry_sha256: str) -> BuiltEntry | None:
        built = record.read(note, entry_sha256=entry_sha256)
        if built is None or not place.is_dir():
            return None
        try:
            return built if self._measure(place).tree_sha256 == built.tree_sha256 else None
        except BuildFailed:
            return None

    def _build(
        self, files: Path, place: Path, *, entry_sha256: str, log: Path, progress: Progress
    ) -> BuiltEntry:
        record.forget(place.with_suffix(".json"))
        if place.exists():
            shutil.rmtree(place)
        source.copy(files, place)
        started = time.monotonic()
        with progress.step("running ./build.sh"):
            self._run_build_script(place, log=log)
        build_seconds = time.monotonic() - started
        measured = self._measure(place)
        return BuiltEntry(
            handle=str(place),
            entry_sha256=entry_sha256,
            **measured._asdict(),
            base_image=None,
            build_seconds=build_seconds,
        )

    def _run_build_script(self, place: Path, *, log: Path) -> None:
        with self._child(["./build.sh"], place, {}, log=log) as process:
            deadline = time.monotonic() + self.policy.build_timeout_s
            while (status := _status(process)) is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        failure = failures.of_script(
            status=-signal.SIGKILL if status is None else status,
            is_out_of_memory=False,
            was_late=status is None,
            log=log,
            policy=self.policy,
        )
        if failure is not None:
            raise failure

    def _measure(self, place: Path) -> tree.Measured:
        try:
            return tree.measure(
                str(place), max_bytes=self.policy.entry_bytes, max_files=self.policy.entry_files
            )
        except tree.TreeRefused as error:
            raise failures.refused(error.reason, error.message, self.policy) from error

    @contextmanager
    def _child(
        self, command: list[str], folder: Path, settings: dict[str, str], *, log: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child in a session of its own, its output going to `log`; on exit its whole family is dead."""
        mark = uuid.uuid4().hex
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
        writer = threading.Thread(
            target=_save_output, args=(process, log, self.policy.log_bytes), daemon=True
        )
        writer.start()
        try:
            yield process
        finally:
            if process.returncode is None:  # not reaped: the number of its group is nobody else's yet
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            left = descendants.kill_family(process.pid, mark=mark)
            process.wait()
            writer.join(timeout=_LOG_PATIENCE_S)
            if left:
                raise SandboxFailed(
                    f"processes {sorted(left)} of the entry cannot be killed",
                    fix="end them by hand before the next grade",
                    code="sandbox.survivor",
                )


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit status, or minus the signal that ended it; None while it runs.

    It is not reaped: until its family is dead, nobody else may get its number.
    """
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll()
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _save_output(process: subprocess.Popen[bytes], log: Path, limit: int) -> None:
    output = process.stdout
    if output is not None:
        with output:
            logs.save(iter(lambda: os.read(output.fileno(), _CHUNK_BYTES), b""), log, limit=limit)


def _environment(settings: dict[str, str], *, mark: str) -> dict[str, str]:
    """Ours, with this Python first, so that an entry's `python3` has what the harness has."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, **settings, "PATH": path, descendants.MARK: mark}


def _python_id() -> str:
    """Tells interpreters apart: what one built need not work with another."""
    return hashlib.sha256(f"{sys.executable}\0{sys.version}".encode()).hexdigest()[:12]
