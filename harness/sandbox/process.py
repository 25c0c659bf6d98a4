"""The process sandbox: the same contract without isolation, for one's own code and machines without an engine."""

from __future__ import annotations

import hashlib
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.disk import force, scratch
from harness.disk.digests import file_sha256
from harness.disk.places import cache_folder
from harness.errors import BuildFailed, SandboxFailed
from harness.progress import Progress
from harness.sandbox import built as builds
from harness.sandbox import (
    clean,
    contents,
    descendants,
    failures,
    guest_module,
    inventory_file,
    logs,
    outputs,
    source,
    tree,
)
from harness.sandbox.child import child, status_of
from harness.sandbox.contract import BuiltEntry, BuiltFile, Outputs
from harness.sandbox.inventory import take
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.supply import Supply, Traffic

_POLL_S = 0.02
_SHARED = "a plain process shares this machine's network with everything else on it"
_NOT_COUNTED = Traffic(missing=_SHARED, unheard=_SHARED)


@dataclass(frozen=True, kw_only=True)
class ProcessGuest:
    """A plain child process that runs `./evaluate.py`."""

    process: subprocess.Popen[bytes]

    def how_it_ended(self) -> str | None:
        """In words; None while it runs."""
        status = status_of(self.process)
        if status is None:
            return None
        return f"killed by signal {-status}" if status < 0 else f"exited with status {status}"


class ProcessSandbox:
    """Builds and runs entries with the rights of whoever calls it; never for a stranger's code."""

    name = "process"

    def __init__(self, *, policy: SandboxPolicy | None = None, cache: Path | None = None) -> None:
        """What killed harnesses left is removed: processes first, then the folders that they were shown."""
        descendants.kill_orphans()
        scratch.remove_leftovers()
        self.policy = policy or SandboxPolicy()
        self._cache = cache or cache_folder()
        self._claims = builds.Claims()

    @property
    def details(self) -> dict[str, str]:
        """What the grade's provenance records: that there was no isolation, and which Python stood in."""
        return {
            "isolation": "none",
            "build_volume": f"{self.policy.entry_bytes:,} bytes, measured after build.sh",
            "python": platform.python_version(),
            "platform": platform.platform(),
        }

    @property
    def in_force(self) -> dict[str, Any]:
        """What of the policy a plain process is held to."""
        kept = ("build_timeout_s", "entry_bytes", "entry_files", "log_bytes")
        return {name: getattr(self.policy, name) for name in kept}

    def build(
        self, files: Path, *, entry_sha256: str, grade_id: str, log: Path, progress: Progress
    ) -> BuiltEntry:
        """Run `./build.sh` in a copy of `files` in the cache folder, once per entry and Python.

        Raises: BuildFailed, SandboxFailed.
        """
        place = self._cache / "process" / f"{entry_sha256[:12]}-{_python_id()}"
        note = place.with_suffix(".json")
        with builds.locked(note):
            self._claims.add(note)
            built = self._find(note, place, entry_sha256=entry_sha256)
            if built is None:
                with progress.step("running ./build.sh"):
                    built = self._build(files, place, entry_sha256=entry_sha256, grade_id=grade_id, log=log)
                with builds.writing(self._cache):
                    shutil.copyfile(log, place.with_suffix(".log"))
                builds.write(note, built)
            else:
                logs.copy(place.with_suffix(".log"), log)
            builds.mark_used(note)
            return built

    @contextmanager
    def run(self, built: BuiltEntry, *, grade_id: str, gate: Path, log: Path) -> Iterator[ProcessGuest]:
        """Start `./evaluate.py --val_data_dir GATE`; on exit it, its group and its descendants are killed.

        Raises: SandboxFailed when the built entry is gone or a process of it cannot be killed.
        """
        with self._running(
            built, ["--val_data_dir", str(gate.resolve())], grade_id=grade_id, log=log
        ) as guest:
            yield guest

    @contextmanager
    def outputs(self, *, grade_id: str, max_bytes: int) -> Iterator[Outputs]:  # noqa: ARG002
        """A folder of the host's own.

        Raises: SandboxFailed.
        """
        with outputs.in_folder(self.policy, max_bytes=max_bytes) as place:
            yield place

    @contextmanager
    def run_openly(
        self, built: BuiltEntry, *, grade_id: str, data: Path, outputs: Outputs | None, log: Path
    ) -> Iterator[ProcessGuest]:
        """As `run`, with the clip's own folder; here every program could have read it anyway.

        Raises: SandboxFailed.
        """
        arguments = ["--val_data_dir", str(data.resolve())]
        if outputs:
            arguments += ["--save_outputs_dir", outputs.where]
        with self._running(built, arguments, grade_id=grade_id, log=log) as guest:
            yield guest

    @contextmanager
    def _running(
        self, built: BuiltEntry, arguments: list[str], *, grade_id: str, log: Path
    ) -> Iterator[ProcessGuest]:
        place = _place(built)
        with scratch.folder("guest") as folder:
            guest_module.put(folder)
            # A compiled file written beside a source would change the entry that was hashed.
            settings = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
            command, log_bytes = ["./evaluate.py", *arguments], self.policy.log_bytes
            with child(command, place, settings, grade_id=grade_id, log=log, log_bytes=log_bytes) as process:
                yield ProcessGuest(process=process)

    @contextmanager
    def files(self, built: BuiltEntry, *, grade_id: str) -> Iterator[Iterator[BuiltFile]]:  # noqa: ARG002
        """Every regular file of the entry.

        Raises: SandboxFailed, on entry and while the files are read.
        """
        yield contents.of_folder(_place(built), self.policy)

    def discard_builds(self) -> None:
        """Remove every built folder of this sandbox's cache.

        Raises: SandboxFailed.
        """
        self._claims.release()
        clean.clean_process(self._cache, unused_s=0)

    def _find(self, note: Path, place: Path, *, entry_sha256: str) -> BuiltEntry | None:
        built = builds.read(note, entry_sha256=entry_sha256)
        if built is None or not place.is_dir():
            return None
        try:
            return built if self._measure(place).tree_sha256 == built.tree_sha256 else None
        except BuildFailed:
            return None

    def _build(self, files: Path, place: Path, *, entry_sha256: str, grade_id: str, log: Path) -> BuiltEntry:
        with builds.writing(self._cache):
            builds.forget(place.with_suffix(".json"))
            force.remove_tree(place)
            try:
                sent = source.copy(files, place)
            except OSError:  # half a copy would keep the disk full
                force.remove_tree(place)
                raise
        started = time.monotonic()
        self._run_build_script(place, grade_id=grade_id, log=log)
        build_seconds = time.monotonic() - started
        inventory = builds.inventory(place.with_suffix(".json"))
        measured, supply = self._take_stock(place, sent, inventory)
        return BuiltEntry(
            handle=str(place),
            entry_sha256=entry_sha256,
            **measured,
            base_image=None,
            build_seconds=build_seconds,
            network="this machine's own",
            size_cap=self.details["build_volume"],
            supply=replace(supply, traffic=_NOT_COUNTED),
            inventory=str(inventory),
            inventory_sha256=file_sha256(inventory),
        )

    def _take_stock(
        self, place: Path, sent: dict[str, source.Sent], inventory: Path
    ) -> tuple[dict[str, Any], Supply]:
        with (
            self._as_failures(),
            builds.writing(self._cache),
            inventory_file.writing_down(inventory, sent) as listed,
        ):
            answer = take(str(place), listed.tell, **self._caps)
            tree.settle(str(place), **self._caps)  # last: reading moves the time of access
            return answer["measured"], listed.close(answer["installed"])

    def _run_build_script(self, place: Path, *, grade_id: str, log: Path) -> None:
        settings = {"SOURCE_DATE_EPOCH": str(tree.EPOCH_S)}
        log_bytes = self.policy.log_bytes
        with child(
            ["./build.sh"], place, settings, grade_id=grade_id, log=log, log_bytes=log_bytes
        ) as process:
            deadline = time.monotonic() + self.policy.build_timeout_s
            while (status := status_of(process)) is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        failure = failures.of_script(
            status=-signal.SIGKILL if status is None else status,
            was_late=status is None,
            log=log,
            policy=self.policy,
        )
        if failure is not None:
            raise failure

    def _measure(self, place: Path) -> tree.Measured:
        with self._as_failures():
            return tree.measure(str(place), **self._caps)

    @property
    def _caps(self) -> dict[str, Any]:
        return {"max_bytes": self.policy.entry_bytes, "max_files": self.policy.entry_files}

    @contextmanager
    def _as_failures(self) -> Iterator[None]:
        try:
            yield
        except tree.TreeRefused as error:
            raise failures.refused(error.reason, error.message, self.policy) from error


def _place(built: BuiltEntry) -> Path:
    place = Path(built.handle)
    if not place.is_dir():
        raise SandboxFailed(
            f"the built entry {place} is gone",
            fix="grade again: it will be built again",
            code="sandbox.entry_gone",
        )
    return place


def _python_id() -> str:
    """Tells interpreters apart: what one built need not work with another."""
    return hashlib.sha256(f"{sys.executable}\0{sys.version}".encode()).hexdigest()[:12]
