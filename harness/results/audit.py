"""The whole store, looked at once more: the database, the chain of its rows, every file that a record names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreFailed, UsageError
from harness.progress import Progress
from harness.results.artifacts import Artifact, artifacts_of, read_artifact
from harness.results.chain import Finding, Kind, Row, check_chain, contradiction
from harness.results.checks import Check, Outcome, different, unchecked
from harness.results.decisions import approval_checks, decision_checks, in_words
from harness.results.head_file import HeadFile
from harness.results.report import GradeReport
from harness.results.signing import has_signature, wrong_signature
from harness.results.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_HEADS = "name a copy of the store's chain.head, or the leaderboard.json of a published page, in --head"


def check_records(store: Store) -> list[Check]:
    """Whether the database is whole and its rows are those that were written, in their order.

    Raises: StoreFailed where there is nothing to look at.
    """
    checks = [different("database", line) for line in store.damage()]
    try:
        head, is_readable = store.head(), True  # before the rows: a grade may finish meanwhile
    except StoreFailed as error:
        head, is_readable = None, False
        checks.append(different("chain.head", error.message))
    rows = store.rows()
    chain = check_chain(rows, head)
    findings = [each for each in chain.findings if is_readable or each.kind is not Kind.HEAD]
    checks += [different("rows", _named(finding, rows)) for finding in findings]
    if not checks:
        decisions = sum(row.ledger is not None for row in rows)
        what = f", {decisions} of them decisions" if decisions else ""
        words = f"{chain.rows} in one chain{what}, the last with sha256 {chain.head.sha256}"
        late = f"; chain.head is {chain.lag} behind, as a crash leaves it" if chain.lag and head else ""
        checks.append(Check(what="rows", outcome=Outcome.SAME, detail=words + late))
    if chain.unhashed:
        one_or_more = "row 1 is" if chain.unhashed == 1 else f"rows 1 to {chain.unhashed} are"
        checks.append(
            unchecked("rows", f"{one_or_more} from before rows were hashed: covered since the first that is")
        )
    return checks


def require_as_recorded(store: Store) -> None:
    """Nothing is made of a store that was edited: a new record, or a page, would hide that an old record was.

    Raises: StoreFailed.
    """
    for check in check_records(store):
        if check.outcome is Outcome.DIFFERENT:
            raise StoreFailed(
                f"the store is not as it was recorded: {check.what}: {check.detail}",
                code="store.not_as_recorded",
                fix="`wmc verify` says everything that is wrong; restore the store from a copy",
            )


def audit_store(
    store: Store, *, key: Ed25519PublicKey | None, progress: Progress, kept: Path | None = None
) -> list[Check]:
    """Everything that can be looked at without data; with a key every signature too.

    `kept` is a copy of `chain.head` that was out of reach of whoever writes the store, or a published leaderboard.json.

    Raises: StoreFailed where there is nothing to look at.
    """
    with progress.step("checking the database"):
        checks = check_records(store)
        rows = store.rows()
    if kept:
        checks += _kept_head(rows, kept)
    reports: list[GradeReport] = []
    for row in rows:
        if row.ledger is not None:
            continue
        try:
            reports.append(GradeReport.from_json(json.loads(row.report)))
        except (StoreFailed, ValueError):
            checks.append(different("records", f"row {row.number} holds none that can be read"))
    checks += _orphans(reports)
    checks += _decisions(store, rows, reports)
    checks += _artifacts(store, reports, progress)
    if key:
        checks += _signatures(store, rows, key)
    return checks


def _kept_head(rows: list[Row], kept: Path) -> Iterator[Check]:
    """Whether the rows are those after which this head was kept, and perhaps more."""
    try:
        head = HeadFile(kept).read()
    except StoreFailed as error:
        raise UsageError(
            f"{kept} is neither a chain.head nor a leaderboard.json",
            code="usage.no_head",
            fix=_HEADS,
        ) from error
    if head is None:
        raise UsageError(
            f"{kept} is not there",
            code="usage.no_head",
            fix=_HEADS,
        )
    if wrong := contradiction(rows, head):
        yield different("kept head", f"{wrong} when {kept} was written")
    else:
        seen = f"the first {head.rows} rows are those of {kept}"
        yield Check(what="kept head", outcome=Outcome.SAME, detail=seen)


def _named(finding: Finding, rows: Sequence[Row]) -> str:
    """What is wrong, and what the row is that it is wrong with, where there is one."""
    row = next((row for row in rows if row.number == finding.row), None)
    return finding.message if row is None else f"{finding.message} ({in_words(row)})"


def _decisions(store: Store, rows: list[Row], reports: list[GradeReport]) -> Iterator[Check]:
    outside = store.old_decisions()
    if outside:
        yield unchecked(
            "decisions", f"{len(outside)} are in no chain yet: the next row that is written takes them in"
        )
    yield from decision_checks(rows)
    yield from approval_checks(rows, reports, outside)


def _orphans(reports: list[GradeReport]) -> Iterator[Check]:
    """Regrades of nothing that came before them."""
    earlier: set[str] = set()
    for report in reports:
        if report.regrade_of and report.regrade_of not in earlier:
            yield different(
                "records", f"{report.grade_id} regrades {report.regrade_of}, which does not come before it"
            )
        earlier.add(report.grade_id)


def _artifacts(store: Store, reports: list[GradeReport], progress: Progress) -> Iterator[Check]:
    whose: dict[Artifact, str] = {}
    for report in reports:
        for artifact in artifacts_of(report):
            whose.setdefault(artifact, report.grade_id)
    lost = 0
    with progress.step("checking files", total=len(whose)) as advance:
        for artifact, grade_id in whose.items():
            try:
                read_artifact(store.folder, artifact)
            except StoreFailed as error:
                lost += 1
                yield different("files", f"{error.message} (grade {grade_id})")
            advance(1)
    if not lost:
        yield Check(what="files", outcome=Outcome.SAME, detail=f"{len(whose)} of {len(reports)} grades")


def _signatures(store: Store, rows: list[Row], key: Ed25519PublicKey) -> Iterator[Check]:
    """Bad ones, how many are good, and which rows the last good one does not cover."""
    good, last = 0, 0
    for row in rows:
        grade_id = row.grade_id.decode("utf-8", "replace")
        if has_signature(store, grade_id):
            if wrong := wrong_signature(store, grade_id, row.sha256, key):
                yield different("signatures", f"{grade_id}: {wrong}")
            else:
                good, last = good + 1, row.number
    if good:
        yield Check(what="signatures", outcome=Outcome.SAME, detail=f"{good}, which cover rows 1 to {last}")
    if rows and last < rows[-1].number:
        yield unchecked("signatures", f"none covers rows {last + 1} to {rows[-1].number}")
