"""The table of outcomes is closed: the codes in it are those that the sources raise, and blames agree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from codes_in_source import ERRORS, Found, codes_in_source

from harness.errors import Blame
from harness.outcomes import TABLE, Outcome, counts_as_attempt, groups, outcome_of, outcomes

HOW = f"""add to {TABLE.name}, among the rows of its group:

[{{code}}]
cause = "What happened."
next_step = "What to do about it."

then run `make docs`; where: {{where}}"""
LONGEST = 105
"""A cause or a next step takes two lines of 80 columns at most, with what stands before it."""
ROWS = sorted(outcomes())


@pytest.fixture(scope="module")
def source() -> Found:
    return codes_in_source()


def test_every_code_is_written_out_where_it_is_given(source: Found) -> None:
    assert not source.unreadable, (
        "write the code out as a text, or look it up in a constant dictionary of texts of the same file; "
        f"the table cannot be held against these: {source.unreadable}"
    )


def test_every_code_that_is_raised_is_in_the_table(source: Found) -> None:
    missing = [
        HOW.format(code=use.code, where=use.where) for use in source.uses if use.code not in outcomes()
    ]
    assert not missing, "\n\n".join(missing)


def test_every_row_of_the_table_is_raised_somewhere(source: Found) -> None:
    unused = set(outcomes()) - {use.code for use in source.uses}
    assert not unused, f"nothing raises these any more; take them out of {TABLE.name}: {sorted(unused)}"


def test_a_code_has_the_blame_of_the_errors_that_carry_it(source: Found) -> None:
    wrong = [
        f'{use.code} is raised at {use.where} as {blame.value}: give its row blame = "{blame.value}"'
        for use in source.uses
        for blame in use.blames
        if use.code in outcomes() and outcomes()[use.code].blame is not blame
    ]
    assert not wrong, "\n".join(wrong)


def test_the_search_through_the_sources_sees_most_of_them_with_their_blame(source: Found) -> None:
    """So that a search that finds nothing does not pass for a table that is complete."""
    with_blame = {use.code for use in source.uses if use.blames}
    assert len(with_blame) > 0.95 * len(outcomes()) > 190
    assert {blame for use in source.uses for blame in use.blames} == set(Blame)
    assert {name for name in ERRORS if name.endswith("Rejected")} == {"ArchiveRejected", "ManifestRejected"}


@pytest.mark.parametrize("code", ROWS)
def test_a_row_reads_well(code: str) -> None:
    row = outcomes()[code]
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", code)
    for text in (row.cause, row.next_step):
        assert text.isascii()
        assert text.isprintable()
        assert 0 < len(text) <= LONGEST
    assert row.cause.endswith("."), "a cause is a sentence"


def test_the_rows_of_a_group_stand_in_alphabetical_order() -> None:
    for group in groups():
        codes = [outcome.code for outcome in group.outcomes]
        assert codes == sorted(codes)


def test_only_what_is_the_entrys_counts_as_an_attempt_and_what_an_entry_can_bring_about_at_will() -> None:
    """Control of the second: an entry that armed its own slow death on a bad figure could try again without end."""
    assert outcomes()["sandbox.survivor"].counts_as_attempt
    for outcome in outcomes().values():
        if outcome.counts_as_attempt and outcome.code != "sandbox.survivor":
            assert outcome.blame is Blame.ENTRY, (
                f"{outcome.code} would charge an entrant for another's mistake"
            )
    assert counts_as_attempt("guest.timeout", Blame.ENTRY)
    assert not counts_as_attempt("grade.interrupted", Blame.OPERATOR)


@pytest.mark.parametrize("blame", Blame)
def test_a_record_with_a_code_that_is_not_in_the_table_still_has_an_outcome_without_it(blame: Blame) -> None:
    outcome = outcome_of("guest.2718281828", blame)
    assert isinstance(outcome, Outcome)
    assert outcome.blame is blame
    assert outcome.counts_as_attempt == (blame is Blame.ENTRY)
    assert "2718281828" not in repr(outcome)
