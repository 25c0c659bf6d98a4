"""A record while it is being written: facts as they become known, and one terminal report, whatever happens."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from harness.errors import Blame, NotAdmitted, UsageError, WmcError
from harness.progress import Progress
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.journal import Journal
from harness.results.moment import now
from harness.results.regime_report import RegimeReport
from harness.results.report import EntryFacts, Failure, GradeReport, OpenRun, Provenance, Status
from harness.results.store import Store
from harness.retrieval.report import RetrievalReport
from harness.sandbox.contract import NOT_RUN


def new_grade_id() -> str:
    """The time, and what tells grades of one second apart."""
    return f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


@dataclass(kw_only=True)
class Record:
    """Everything known about a grade so far; `report` is what is kept.

    `sandboxes_before` is what its sandbox said of itself in each regime that an earlier process finished.
    """

    provenance: Provenance
    grade_id: str = field(default_factory=new_grade_id)
    entry: EntryFacts = field(default_factory=EntryFacts)
    regimes: dict[Regime, RegimeReport | None] = field(
        default_factory=lambda: dict.fromkeys(DISCLOSURE_ORDER)
    )
    retrieval: RetrievalReport | None = None
    open_run: OpenRun | None = None
    failure: Failure | None = None
    finished_at: str = ""
    durations_s: dict[str, float] = field(default_factory=dict)
    sandboxes_before: Mapping[Regime, Mapping[str, str]] = field(default_factory=dict)
    _unfinished: BaseException | None = field(init=False, default=None)

    def learn(self, **facts: Any) -> None:
        """Fill in fields of the provenance."""
        self.provenance = replace(self.provenance, **facts)

    def ran_in(self, details: Mapping[str, str]) -> None:
        """Learn what the sandbox says of itself: for regimes of an earlier process, what it said of itself then."""
        self.learn(sandbox_details=_of_each_process(self.sandboxes_before, details))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Keep how long the context lasted, also when it fails; what an earlier process took comes on top."""
        begin, before_s = time.monotonic(), self.durations_s.get(stage, 0.0)
        try:
            yield
        finally:
            self.durations_s[stage] = round(before_s + time.monotonic() - begin, 3)

    @contextmanager
    def kept_in(self, store: Store, journal: Journal | None = None) -> Iterator[None]:
        """Append the one terminal report to `store` when the context ends, however it ends, and close the journal.

        Where that is interrupted once more, the report is in the store or the journal says that it is not.

        Where a submission is not admitted, or the caller asked for what makes no sense, no grade began, and there is
        none. Any other `WmcError` ends here: it is the report's failure. Anything else is recorded as an interruption
        or as a bug of ours, and raised again; so is what ended `scored` early.
        """
        try:
            yield
        except (NotAdmitted, UsageError):
            raise
        except BaseException as error:
            self.failure = failure_of(error)
            self._finish(store, journal)
            if not isinstance(error, WmcError):
                raise
        else:
            self._finish(store, journal)
            if self._unfinished:
                raise self._unfinished

    @contextmanager
    def scored(self, progress: Progress) -> Iterator[None]:
        """The scores are there: whatever goes wrong in this context costs what it keeps from being done, no more.

        `kept_in` raises it again, once the record is kept.
        """
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - an interruption and a bug alike
            progress.note(f"cut short after the scores: grade {self.grade_id} is kept with what there is")
            self._unfinished = error

    def _finish(self, store: Store, journal: Journal | None) -> None:
        self.finished_at = now()
        self.learn(durations_s=dict(self.durations_s))
        store.append(self.report)
        if journal:
            journal.close(self.report)

    @property
    def report(self) -> GradeReport:
        """The record as it stands; a failed grade has no scores, not even of the regimes it finished."""
        return GradeReport(
            grade_id=self.grade_id,
            finished_at=self.finished_at,
            status=Status.FAILED if self.failure else Status.GRADED,
            entry=self.entry,
            regimes=dict.fromkeys(DISCLOSURE_ORDER) if self.failure else dict(self.regimes),
            failure=self.failure,
            provenance=self.provenance,
            retrieval=None if self.failure else self.retrieval,
            open_run=None if self.failure else self.open_run,
        )


def _of_each_process(before: Mapping[Regime, Mapping[str, str]], now: Mapping[str, str]) -> dict[str, str]:
    """One text for each fact: what it is now, where that was so all the time; else which regime saw what."""
    texts = {}
    for name, text in now.items():
        regimes: dict[str, list[str]] = {}
        for regime, details in before.items():
            if name in details:
                regimes.setdefault(details[name], []).append(regime.in_words)
        if {*regimes} <= {text}:
            texts[name] = text
            continue
        parts = [f"{seen} ({', '.join(names)})" for seen, names in regimes.items()]
        if not text.endswith(NOT_RUN):
            parts.append(f"{text} (what came later)")
        texts[name] = next(iter(regimes)) if len(parts) == len(regimes) == 1 else "; ".join(parts)
    return texts


def failure_of(error: BaseException) -> Failure:
    """What a record says of this error."""
    if isinstance(error, WmcError):
        return Failure(code=error.code, blame=error.blame, message=error.message, fix=error.fix)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return Failure(
            code="grade.interrupted",
            blame=Blame.OPERATOR,
            message="the grade was interrupted",
            fix="`wmc grade --resume` with its id goes on where it stopped; nothing is charged to the entry",
        )
    return Failure(
        code="grade.bug",
        blame=Blame.BUG,
        message=f"{type(error).__name__}: {error}",
        fix="report this bug of wmc; nothing is charged to the entry",
    )
