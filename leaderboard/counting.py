"""Which grade of each entry counts: its latest, in every contest it was graded in.

A grade without a sandbox never takes the place of one in a sandbox. A regrade stands in the place of the grade whose
answers it scores again, so that an old grade that was scored again does not pass for the entry's latest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from typing import TypeVar

from harness.results.report import GradeReport
from leaderboard.marks import is_self_run
from leaderboard.senders import EntryKey, Senders

ContestT = TypeVar("ContestT", bound=Hashable)


def counting(
    reports: Iterable[GradeReport],
    senders: Senders,
    contest_of: Callable[[GradeReport], ContestT],
    withdrawn: Container[str] = frozenset(),
) -> dict[ContestT, list[GradeReport]]:
    """The grades that count among `reports` (oldest first), for every contest.

    One that the organiser withdrew takes no other's place, and stands where its entry has no other.
    """
    contests: dict[ContestT, dict[EntryKey, GradeReport]] = defaultdict(dict)
    for report in by_run(reports):
        of_entry, key = contests[contest_of(report)], senders.key(report)
        earlier = of_entry.get(key)
        if earlier is None or _replaces(report, earlier, withdrawn):
            of_entry[key] = report
    return {contest: list(of_entry.values()) for contest, of_entry in contests.items()}


def _replaces(later: GradeReport, earlier: GradeReport, withdrawn: Container[str]) -> bool:
    if (later.grade_id in withdrawn) is not (earlier.grade_id in withdrawn):
        return earlier.grade_id in withdrawn
    return not (is_self_run(later) and not is_self_run(earlier))


def by_run(reports: Iterable[GradeReport]) -> list[GradeReport]:
    """Of reports that come oldest first: in the order in which entries were run, each with its regrades after it."""
    every = list(reports)
    run: dict[str, int] = {}
    for number, report in enumerate(every):
        run[report.grade_id] = run.get(report.regrade_of or "", number)
    return sorted(every, key=lambda report: run[report.grade_id])


def ranks(figures: Sequence[float]) -> list[int]:
    """The rank of each of these figures, which come best first: equal ones share it, and the next is skipped."""
    taken: list[int] = []
    for place, figure in enumerate(figures, start=1):
        taken.append(taken[-1] if taken and figure == figures[place - 2] else place)
    return taken
