"""Who is who: every user name belongs to one e-mail address, and every address to one user name.

An address is kept as its digest. The first to be approved or graded under a name has it, in any spelling of its case;
only the organiser gives it to another, in a row of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from harness.errors import NotAdmitted
from harness.results.ledger import Ledger
from harness.results.store import Store

_LEDGER = Ledger(name="names", columns=("kind", "user_name", "email_sha256", "by_whom"))
_SHOWN_DIGITS = 12


class Why(str, Enum):
    """What a row says."""

    CLAIM = "claim"
    TRANSFER = "transfer"


@dataclass(frozen=True, kw_only=True)
class Person:
    """An entrant: a user name as it is written, and the digest of an address."""

    user_name: str
    email_sha256: str

    @property
    def spelling(self) -> str:
        """The name without the case of its letters: who differs in nothing else is the same."""
        return self.user_name.casefold()


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the register says now: a row by the name it gives, and by the digest of the address it gives it to."""

    by_name: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    by_email: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, str]:
        """The digests of the addresses that the organiser gave a name to, by that name without its case."""
        return {
            name: row["email_sha256"]
            for name, row in self.by_name.items()
            if row["kind"] == Why.TRANSFER.value
        }

    def knows(self, person: Person) -> bool:
        """Whether name and address are this person's already."""
        row = self.by_name.get(person.spelling)
        return row is not None and row["email_sha256"] == person.email_sha256

    def check(self, person: Person) -> None:
        """Raises: NotAdmitted where the name is somebody else's, or the address has another name."""
        if self.knows(person):
            return
        if row := self.by_name.get(person.spelling):
            raise _clash(
                f"the user name {person.user_name} belongs to another e-mail address: since {row['at']} to the one "
                f"with sha256 {row['email_sha256'][:_SHOWN_DIGITS]}; this submission came from the one with "
                f"{person.email_sha256[:_SHOWN_DIGITS]}"
            )
        if row := self.by_email.get(person.email_sha256):
            raise _clash(
                f"the e-mail address with sha256 {person.email_sha256[:_SHOWN_DIGITS]} is known by another user name: "
                f"since {row['at']} as {row['user_name']}; this submission calls itself {person.user_name}"
            )


def names(store: Store) -> Names:
    """What the register of this store says; writes nothing.

    Raises: StoreFailed.
    """
    records = [row.report for row in store.rows() if row.ledger is None] if store.is_begun() else []
    return _read(_parsed(records), _LEDGER.rows(store))


def claim(store: Store, person: Person, *, by: str) -> None:
    """Give this name to this address, unless they have each other already.

    Raises: NotAdmitted where either has another; StoreFailed.
    """
    _add(store, Why.CLAIM, person, by)


def transfer(store: Store, person: Person, *, by: str) -> None:
    """The organiser's decision: from now on this name and this address belong together, and to nobody else.

    Raises: StoreFailed.
    """
    _add(store, Why.TRANSFER, person, by)


def _add(store: Store, why: Why, person: Person, by: str) -> None:
    with _LEDGER.open(store) as entries:
        known = _read(_parsed(entries.reports()), entries)
        if why is Why.CLAIM:
            known.check(person)
        if not known.knows(person):
            entries.add(
                kind=why.value, user_name=person.user_name, email_sha256=person.email_sha256, by_whom=by
            )


def _parsed(records: Iterable[str | bytes]) -> Iterator[Mapping[str, Any]]:
    for text in records:
        with suppress(ValueError):  # `wmc verify` names it
            yield json.loads(text)


def _read(records: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, str]]) -> Names:
    """Records first, for a store may be older than its register: who came first has the name. Then row by row."""
    by_name: dict[str, Mapping[str, str]] = {}
    by_email: dict[str, Mapping[str, str]] = {}
    for row in (*_as_rows(records), *rows):
        name, email = row["user_name"].casefold(), row["email_sha256"]
        if row["kind"] == Why.TRANSFER.value:
            for taken in (by_name.get(name), by_email.get(email)):
                if taken:
                    by_name.pop(taken["user_name"].casefold(), None)
                    by_email.pop(taken["email_sha256"], None)
        if name not in by_name and email not in by_email:
            by_name[name] = by_email[email] = row
    return Names(by_name=by_name, by_email=by_email)


def _as_rows(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, str]]:
    for record in records:
        entry = record.get("entry") or {}
        name, email = entry.get("user_name"), entry.get("email_sha256")
        if isinstance(name, str) and isinstance(email, str):
            at = str(record.get("finished_at"))
            yield {"at": at, "kind": "record", "user_name": name, "email_sha256": email, "by_whom": ""}


def _clash(message: str) -> NotAdmitted:
    return NotAdmitted(
        message,
        code="admission.name_taken",
        fix="ask who sent it. Approved with --transfer too (`wmc review --help`), the name belongs to the address in "
        "this zip, and takes both from whoever had them; a misspelt name or address is for the entrant to mend",
    )
