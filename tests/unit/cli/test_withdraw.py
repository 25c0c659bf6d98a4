"""`wmc withdraw` keeps a decision about a grade, with a name and a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest

from harness.cli import withdraw
from harness.errors import UsageError
from harness.results.store import Store
from harness.results.withdrawals import Move, withdrawals


@pytest.fixture
def run(run_command, tmp_path, a_grade):
    """The command about one grade that is in the store."""
    store = Store(tmp_path)
    store.append(a_grade)
    return partial(run_command, withdraw, "withdraw", a_grade.grade_id, "--store", str(tmp_path))


@pytest.fixture
def a_grade():
    from harness.protocol.regimes import DISCLOSURE_ORDER
    from harness.results.report import EntryFacts, GradeReport, Provenance, Status

    return GradeReport(
        grade_id="20250101-000000-00000001", finished_at="2025-01-01T00:00:00+00:00", status=Status.GRADED,
        entry=EntryFacts(user_name="ada", entry_name="e"), regimes=dict.fromkeys(DISCLOSURE_ORDER), failure=None,
        provenance=Provenance(
            harness_version="0", git_commit=None, spec_version="1", gate_version=1, seed=0, schedule="disjoint",
            sandbox="docker", sandbox_details={}, limits={},
        ),
    )  # fmt: skip


def test_a_grade_is_withdrawn_and_restored(run, tmp_path, capsys):
    run("--by", "rita", "--reason", "wrong data")
    assert "is withdrawn" in capsys.readouterr().err
    run("--by", "rita", "--reason", "it was right", "--restore", "--json")
    assert json.loads(capsys.readouterr().out)["move"] == "restored"
    assert [(each.move, each.by, each.reason) for each in withdrawals(Store(tmp_path))] == [
        (Move.WITHDRAWN, "rita", "wrong data"),
        (Move.RESTORED, "rita", "it was right"),
    ]


def test_nobody_and_nothing_are_no_name_and_no_reason(run, tmp_path):
    with pytest.raises(UsageError, match="--reason is empty"):
        run("--by", "rita", "--reason", " ")
    assert withdrawals(Store(tmp_path)) == ()


def test_it_says_which_regrades_go_with_it(run, tmp_path, a_grade, capsys):
    Store(tmp_path).append(replace(a_grade, grade_id="again", regrade_of=a_grade.grade_id))
    run("--by", "rita", "--reason", "wrong data")
    assert "and with it again, which scores the same answers again" in capsys.readouterr().err
