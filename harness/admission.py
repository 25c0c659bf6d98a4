"""Whether a submission may be graded now: on private data it was read by a person, and is not one of too many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import NotAdmitted
from harness.intake.archive import Entry
from harness.results.approvals import Decision, Verdict, approved_under, last_decision
from harness.results.attempts import Attempt, counted
from harness.results.fairness import read_fairness
from harness.results.next_commands import NAME, review_command
from harness.results.public_data import PublicData
from harness.results.register import Person, claim, names
from harness.results.report import Admission
from harness.results.store import Store
from harness.results.submissions import remember

_SHOWN_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the organiser asks of a submission to private data; both hold unless told otherwise."""

    review: bool = True
    limit: bool = True


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is graded on: the name of its folder, and its digest."""

    name: str
    sha256: str


@contextmanager
def admitted(
    entry: Entry, data: Data, rules: Rules, *, store: Store, grade_id: str
) -> Iterator[Admission | None]:
    """While this lasts, the grade counts as one of its entrant's; yields what its record says, None of public data.

    Name and address are registered, and the submission's files remembered, once nothing else is in the way.

    Raises: NotAdmitted; StoreFailed.
    """
    manifest = entry.manifest
    person = Person(user_name=manifest.user_name, email_sha256=manifest.email_sha256)
    records = store.reports() if store.is_begun() else ()
    reason = PublicData(records).why_private(data.name, data.sha256)
    approval = _approval(entry, reason, store) if reason and rules.review else None
    names(store).check(person)
    if not reason:
        _register(entry, person, store, grade_id)
        yield None
        return
    fairness = read_fairness(store.folder)
    unlimited = "an entry of the organiser's" if fairness.is_organisers(person.user_name) else ""
    unlimited = unlimited or ("" if rules.limit else "--no-limit")
    attempt = Attempt(
        grade_id=grade_id,
        data_sha256=data.sha256,
        user_name=person.user_name,
        email_sha256=person.email_sha256,
    )
    with counted(store, attempt, fairness, limited=not unlimited) as number:
        _register(entry, person, store, grade_id)
        yield Admission(
            attempt=number,
            approved_by=approval.by if approval else None,
            approved_at=approval.at if approval else None,
            attempts=None if unlimited else fairness.attempts,
            days=None if unlimited else fairness.days,
            why_unlimited=unlimited,
        )


def in_words(admission: Admission) -> str:
    """What an organiser reads before a grade on private data begins."""
    read = f"approved by {admission.approved_by}" if admission.approved_by else "nobody has approved it"
    limit = f"{admission.attempts} in {admission.days:g} days" if admission.attempts is not None else ""
    return (
        f"private data: {read}; attempt {admission.attempt} "
        f"{f'of {limit}' if limit else f'without a limit ({admission.why_unlimited})'}"
    )


def _approval(entry: Entry, reason: str, store: Store) -> Decision:
    """Who approved these bytes. Raises: NotAdmitted."""
    decision = last_decision(store, entry.sha256)
    if decision is None:
        other = approved_under(
            store, user_name=entry.manifest.user_name, entry_name=entry.manifest.entry_name
        )
        swapped = (
            f"; the zip of this entry that {other.by} approved on {other.at[:10]} is another one, with sha256 "
            f"{other.submission_sha256[:_SHOWN_DIGITS]}"
            if other
            else ""
        )
        raise NotAdmitted(
            f"nobody has approved this zip, sha256 {entry.sha256[:_SHOWN_DIGITS]}{swapped}. {reason}",
            code="admission.not_approved",
            fix=f"read it: `{review_command(store, entry.zip_path)}`; then approve these very bytes: "
            f"`{review_command(store, entry.zip_path, f'--approve --by {NAME}')}`. --no-review grades it unread, and "
            "the record says so",
            command=review_command(store, entry.zip_path),
        )
    if decision.verdict is Verdict.REJECTED:
        note = f': "{decision.note}"' if decision.note else ""
        raise NotAdmitted(
            f"{decision.by} rejected this zip on {decision.at[:10]}{note}. {reason}",
            code="admission.rejected",
            fix=f"ask them; `{review_command(store, entry.zip_path, f'--approve --by {NAME}')}` overrules it",
            command=review_command(store, entry.zip_path),
        )
    return decision


def _register(entry: Entry, person: Person, store: Store, grade_id: str) -> None:
    claim(store, person, by=f"grade {grade_id}")
    remember(store, entry)
