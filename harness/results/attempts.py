"""How often an entrant was graded on a private data set lately, those that are running now included."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TextIO

from harness.errors import NotAdmitted, StoreFailed
from harness.outcomes import counts_as_attempt
from harness.results.fairness import FILE, Fairness
from harness.results.register import Person
from harness.results.report import GradeReport
from harness.results.store import Store

_FOLDER = "attempts"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Who is graded on what: an entrant is told by the name or by the address, whichever is the same."""

    grade_id: str
    data_sha256: str
    user_name: str
    email_sha256: str

    @property
    def person(self) -> Person:
        """Whose attempt it is."""
        return Person(user_name=self.user_name, email_sha256=self.email_sha256)

    def is_by(self, user_name: str | None, email_sha256: str | None) -> bool:
        """Whether these are the same entrant's."""
        return (user_name or "").casefold() == self.person.spelling or email_sha256 == self.email_sha256


def counts(report: GradeReport) -> bool:
    """Whether a grade is charged to its entrant: a failure of ours is not, nor is scoring old answers again, nor what
    says of nobody that it is theirs."""
    failure = report.failure
    charged = failure is None or counts_as_attempt(failure.code, failure.blame)
    return charged and report.regrade_of is None and not report.is_of_nobody


@contextmanager
def counted(store: Store, attempt: Attempt, rules: Fairness, *, limited: bool) -> Iterator[int]:
    """The attempt counts as running while the context lasts, for every process that shares the store; yields which
    one it is within the period, from 1 on.

    A process that dies lets go of its attempt: then it is as if there had been none.

    Raises: NotAdmitted where `limited` and the entrant has none left; StoreFailed.
    """
    try:
        path, held, number = _taken(store, attempt, rules, limited=limited)
    except OSError as error:
        raise StoreFailed(
            f"{store.folder / _FOLDER}: {error}",
            fix="name a folder that can be written, with free space, in --store",
        ) from error
    try:
        yield number
    finally:
        path.unlink(missing_ok=True)
        held.close()


def _taken(store: Store, attempt: Attempt, rules: Fairness, *, limited: bool) -> tuple[Path, TextIO, int]:
    """The file that says so, locked for as long as it is open, and which attempt it is."""
    folder = store.folder / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        reports = store.reports() if store.is_begun() else []
        past = _past(reports, attempt, rules)
        running = list(_running(folder, attempt, known={report.grade_id for report in reports}))
        if limited and len(past) + len(running) >= rules.attempts:
            raise _used_up(attempt, rules, past, running=len(running))
        path = folder / f"{attempt.grade_id}.json"
        held = path.open("w", encoding="utf-8")
        fcntl.flock(held, fcntl.LOCK_EX)
        json.dump(asdict(attempt), held)
        held.flush()
    return path, held, len(past) + len(running) + 1


def _past(reports: Sequence[GradeReport], attempt: Attempt, rules: Fairness) -> list[GradeReport]:
    """The grades that count against it, the oldest first."""
    since = datetime.now(timezone.utc) - timedelta(days=rules.days)
    return [
        report
        for report in reports
        if counts(report) and report.provenance.data_sha256 == attempt.data_sha256
        if attempt.is_by(report.entry.user_name, report.entry.email_sha256)
        if report.grade_id != attempt.grade_id and _time(report) > since
    ]


def _running(folder: Path, attempt: Attempt, *, known: set[str]) -> Iterator[str]:
    """The ids of others that run now and have no record yet; what a dead process left is removed."""
    for path in folder.glob("*.json"):
        if path.stem in known or path.stem == attempt.grade_id:
            continue
        with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = Attempt(**json.load(file))
                same_data = other.data_sha256 == attempt.data_sha256
                if same_data and attempt.is_by(other.user_name, other.email_sha256):
                    yield path.stem
            else:
                path.unlink(missing_ok=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else counts meanwhile."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _time(report: GradeReport) -> datetime:
    found = datetime.fromisoformat(report.finished_at)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _used_up(attempt: Attempt, rules: Fairness, past: Sequence[GradeReport], *, running: int) -> NotAdmitted:
    used = f"{len(past)} graded in the last {rules.days:g} days"
    if running:
        used += f", {running} being graded now"
    free = "when one that is being graded now ends through no fault of the entry"
    if past and (place := len(past) + running - rules.attempts) < len(past):
        free = f"at {(_time(past[place]) + timedelta(days=rules.days)).isoformat(timespec='seconds')}"
    if rules.attempts == 0:
        free = "never"
    return NotAdmitted(
        f"{attempt.user_name} has used up {rules.attempts} attempts on this data: {used}; the next one is free {free}",
        code="admission.limit_reached",
        fix=f"grade it then. --no-limit grades it now, and the record says so; attempts and days are set in {FILE} "
        "of the store",
    )
