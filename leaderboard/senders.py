"""Which entry a grade is of: names are chosen by whoever sends them, so the address they came from counts too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import Blame
from harness.results.report import GradeReport


@dataclass(frozen=True, kw_only=True)
class EntryKey:
    """Grades with the same key are of one entry, and replace each other."""

    user_name: str | None
    entry_name: str | None
    email_sha256: str | None


class Senders:
    """Whose user name is whose: it belongs to the address that the first of `reports` (oldest first) came from, or to
    the one that the organiser gave it to.

    A record from before addresses were kept counts as the owner's. `given` has the digests of addresses by user names
    without the case of their letters.
    """

    def __init__(self, reports: Iterable[GradeReport], given: Mapping[str, str] | None = None) -> None:
        self._owners: dict[str, str] = dict(given or {})
        for report in reports:
            if report.entry.email_sha256:
                self._owners.setdefault(_spelling(report), report.entry.email_sha256)

    def key(self, report: GradeReport) -> EntryKey:
        """The entry that `report` is a grade of."""
        entry = report.entry
        return EntryKey(
            user_name=entry.user_name,
            entry_name=entry.entry_name,
            email_sha256=entry.email_sha256 or self._owners.get(_spelling(report)),
        )

    def is_other(self, report: GradeReport) -> bool:
        """Whether `report` came from another address than the one its user name belongs to."""
        return self.key(report).email_sha256 != self._owners.get(_spelling(report))


def is_published(report: GradeReport) -> bool:
    """Whether strangers may know of this grade.

    One that stopped through no fault of its entry is nobody's business, and one of nobody's no business of theirs.
    """
    return report.failure is None or (report.failure.blame is Blame.ENTRY and not report.is_of_nobody)


def _spelling(report: GradeReport) -> str:
    return (report.entry.user_name or "").casefold()
