"""What happened, grade by grade: for the page of changes and for those who read it as a feed.

No figures: what may be said of a loss, and when, is the boards' affair.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from harness.results.report import GradeReport
from leaderboard.plain_text import one_line
from leaderboard.publishable import NAME_LIMIT, day_of, in_fixed_words, shown_name
from leaderboard.senders import is_published
from leaderboard.withdrawn import Struck

_ATOM = "http://www.w3.org/2005/Atom"
_NAMES = uuid.UUID("5c8f6f5e-6f0b-5d7e-9a53-1d0c8f2b7a11")
"""What ids in the feed are derived in: the same grade has the same id in every copy of the site."""
IN_FEED = 100
"""Changes that the feed holds, the latest ones."""


class Kind(str, Enum):
    """What happened."""

    GRADED = "graded"
    REGRADED = "scored again"
    RUN_OPENLY = "run by the open protocol"
    STOPPED = "stopped by its entry"
    WITHDRAWN = "withdrawn"
    RESTORED = "restored"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One published grade, or a decision about it; its texts are in publishable form.

    Attributes:
        name: what tells it from all other changes.
        at: the day on which the grade ended or the decision fell, ISO 8601.
        regrade_of: the grade whose answers were scored again.
        stopped_by: the code of what stopped it.
        reason: of the decision.
    """

    name: str
    kind: Kind
    grade_id: str
    at: str
    user: str
    entry: str
    data_name: str
    regrade_of: str | None = None
    stopped_by: str | None = None
    reason: str | None = None

    @property
    def in_words(self) -> str:
        """In one sentence without its date."""
        where = f" on {self.data_name}" if self.kind is not Kind.STOPPED else ""
        why = f" ({self.stopped_by})" if self.stopped_by else f": {self.reason}" if self.reason else ""
        return f"{self.entry} by {self.user} was {self.kind.value}{where}{why}"


def changelog(reports: Sequence[GradeReport], decisions: Sequence[Struck] = ()) -> tuple[Change, ...]:
    """The latest first; `reports` and what was withdrawn or restored come oldest first."""
    made = {report.grade_id: _change(report) for report in reports if is_published(report)}
    decided = [
        replace(
            made[each.grade_id],
            name=f"{each.grade_id}, decision {number}",
            kind=Kind.RESTORED if each.restored else Kind.WITHDRAWN,
            at=each.at,
            regrade_of=None,
            stopped_by=None,
            reason=each.reason,
        )
        for number, each in enumerate(decisions)
        if each.grade_id in made
    ]
    return tuple(sorted([*made.values(), *decided], key=lambda change: change.at))[::-1]


def to_atom(changes: Sequence[Change], *, grades: str) -> bytes:
    """The latest `IN_FEED` changes as an Atom feed (RFC 4287), whose links lead into the site's folder `grades`.

    They are relative to where the feed was found, for the site does not know its own address.
    """
    ET.register_namespace("", _ATOM)
    feed = ET.Element(f"{{{_ATOM}}}feed")
    _add(feed, "id", _id("feed"))
    _add(feed, "title", "1X World Model Challenge: grades")
    _add(feed, "updated", changes[0].at if changes else "1970-01-01T00:00:00+00:00")
    _add(feed, "link", rel="self", href="feed.xml")
    _add(feed, "link", rel="alternate", type="text/html", href="changelog.html")
    for change in changes[:IN_FEED]:
        entry = _add(feed, "entry")
        _add(entry, "id", _id(change.name))
        _add(entry, "title", change.in_words)
        _add(entry, "updated", change.at)
        _add(_add(entry, "author"), "name", change.user)
        _add(entry, "link", rel="alternate", type="text/html", href=f"{grades}/{change.grade_id}.html")
    ET.indent(feed)
    return bytes(ET.tostring(feed, encoding="utf-8", xml_declaration=True)) + b"\n"


def _change(report: GradeReport) -> Change:
    kind = Kind.GRADED
    if report.failure:
        kind = Kind.STOPPED
    elif report.open_run:
        kind = Kind.RUN_OPENLY
    elif report.regrade_of:
        kind = Kind.REGRADED
    return Change(
        name=report.grade_id,
        kind=kind,
        grade_id=report.grade_id,
        at=day_of(report.finished_at),
        user=shown_name(report.entry.user_name),
        entry=shown_name(report.entry.entry_name),
        data_name=one_line(report.provenance.data_name, limit=NAME_LIMIT) or "unnamed",
        regrade_of=report.regrade_of,
        stopped_by=in_fixed_words(report.failure).code if report.failure else None,
    )


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    element.text = text
    return element


def _id(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMES, name)}"
