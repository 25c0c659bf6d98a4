"""From a zip to a built entry, whatever it is asked then: opened, admitted, built, and the record told of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.admission import Data, Rules, admitted, in_words
from harness.disk.digests import file_sha256
from harness.errors import ArchiveRejected, ManifestRejected
from harness.intake.archive import Entry, open_archive
from harness.progress import Progress
from harness.reporting import entry_facts
from harness.results.record import Record
from harness.results.store import Store
from harness.sandbox.contract import BuiltEntry, Sandbox

INVENTORY = "built.files.jsonl.gz"
"""The artifact that lists every file of the built entry."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """The first stages of one grade, once the record knows the data."""

    sandbox: Sandbox
    store: Store
    progress: Progress
    record: Record

    @property
    def data(self) -> Data:
        """What is graded on."""
        origin = self.record.provenance
        return Data(name=str(origin.data_name), sha256=str(origin.data_sha256))

    def open_submission(self, submission: Path, folder: Path) -> Entry:
        """The zip's files in `folder`, strictly. Of one that is refused the record knows the digest all the same."""
        with self.progress.step(f"opening {submission.name}"), self.record.timed("intake"):
            try:
                entry = open_archive(submission, folder)
            except (ArchiveRejected, ManifestRejected):
                with suppress(OSError):
                    self.record.learn(submission_sha256=file_sha256(submission))
                raise
        self.record.learn(submission_sha256=entry.sha256)
        self.record.entry = entry_facts(entry.manifest)
        return entry

    @contextmanager
    def admitted(self, entry: Entry, rules: Rules | None) -> Iterator[None]:
        """Before anything of the entry runs; without rules nothing is in its way. Raises: NotAdmitted."""
        if rules is None:
            yield
            return
        grade_id = self.record.grade_id
        with admitted(entry, self.data, rules, store=self.store, grade_id=grade_id) as admission:
            self.record.learn(admission=admission)
            if admission:
                self.progress.note(in_words(admission))
            yield

    def build(
        self, entry: Entry, *, check: Callable[[], object] = lambda: None, was_built: bool = False
    ) -> BuiltEntry:
        """The entry after its build.sh.

        `check` raises where it is not what it should be; what an earlier process kept of its own build, where it
        `was_built`, is then as it was.
        """
        with self._build_log(was_built=was_built) as log:
            try:
                with self.record.timed("build"):
                    built = self.sandbox.build(
                        entry.folder,
                        entry_sha256=entry.sha256,
                        grade_id=self.record.grade_id,
                        log=log,
                        progress=self.progress,
                    )
            finally:  # also of a build that failed
                self.record.ran_in(self.sandbox.details)
            self.record.learn(
                supply=built.supply,
                entry_tree_sha256=built.tree_sha256,
                entry_bytes=built.size_bytes,
                entry_files=built.num_files,
                build_s=built.build_seconds,
                base_image=built.base_image,
            )
            check()
        file, sha256 = self.store.keep_copy(self.record.grade_id, INVENTORY, Path(built.inventory))
        self.record.learn(inventory_file=file, inventory_sha256=sha256)
        return built

    @contextmanager
    def _build_log(self, *, was_built: bool) -> Iterator[Path]:
        """Where build.sh writes; that of an earlier build is replaced when the context ends without an error."""
        log = self.store.grade_folder(self.record.grade_id) / "build.log"
        if not (was_built and log.exists()):
            yield log
            return
        again = log.with_name("build.again.log")
        try:
            yield again
            with suppress(OSError):  # the old one says as much
                again.replace(log)
        finally:
            with suppress(OSError):
                again.unlink(missing_ok=True)
