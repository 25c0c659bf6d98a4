"""Records of entrants, made without grading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest

from harness.errors import Blame
from harness.protocol.regimes import DISCLOSURE_ORDER
from harness.results.report import EntryFacts, Failure, GradeReport, Provenance, Status

_NUMBERS = count(1)


def make_record(
    user: str | None = "ann", email: str | None = "a" * 64, *, data: str = "d" * 64, data_name: str = "heldout",
    days_ago: float = 0.0, blame: Blame | None = None, code: str = "guest.closed", grade_id: str | None = None,
    regrade_of: str | None = None,
) -> GradeReport:  # fmt: skip
    """A grade of this user's, from this address, on this data; one that failed if somebody is to blame."""
    ended = datetime.now(timezone.utc) - timedelta(days=days_ago)
    return GradeReport(
        grade_id=grade_id or f"grade-{next(_NUMBERS)}",
        finished_at=ended.isoformat(timespec="seconds"),
        status=Status.FAILED if blame else Status.GRADED,
        entry=EntryFacts(user_name=user, entry_name="e", email_sha256=email),
        regimes=dict.fromkeys(DISCLOSURE_ORDER),
        failure=Failure(code=code, blame=blame, message="m", fix="f") if blame else None,
        provenance=Provenance(
            harness_version="0", git_commit=None, spec_version="1", gate_version=1, seed=0, schedule="disjoint",
            sandbox="process", sandbox_details={}, limits={}, data_name=data_name, data_sha256=data,
        ),
        regrade_of=regrade_of,
    )  # fmt: skip


@pytest.fixture
def record() -> Callable[..., GradeReport]:
    """Makes a record."""
    return make_record
