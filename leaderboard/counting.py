"""Which grades of each entry a board shows: its latest, in every contest it was graded in, and all that were withdrawn.

A grade without a sandbox never takes the place of one in a sandbox. A regrade stands in the place of the grade whose
answers it scores again, so that an old grade that was scored again does not pass for the entry's latest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from typing import TypeVar

from harness.results.report import GradeReport
from leaderboard.marks import is_self_run
from leaderboard.senders import Senders

ContestT = TypeVar("ContestT", bound=Hashable)


def counting(
    reports: Iterable[GradeReport],
    senders: Senders,
    contest_of: Callable[[GradeReport], ContestT],
    withdrawn: Container[str] = frozenset(),
) -> dict[ContestT, list[GradeReport]]:
    """The grades that a board shows of `reports` (oldest first), for every contest: of each entry the one that counts.

    One that the organiser withdrew takes no other's place, and stays beside it to be seen; so do its regrades, the last
    of them for all.
    """
    contests: dict[ContestT, dict[Hashable, GradeReport]] = defaultdict(dict)
    run = _runs(reports := list(reports))
    for report in sorted(reports, key=lambda report: run[report.grade_id]):
        shown, key = contests[contest_of(report)], senders.key(report)
        place = (key, run[report.grade_id]) if report.grade_id in withdrawn else key
        earlier = shown.get(place)
        if earlier is None or not (is_self_run(report) and not is_self_run(earlier)):
            shown[place] = report
    return {contest: list(those.values()) for contest, those in contests.items()}


def by_run(reports: Iterable[GradeReport]) -> list[GradeReport]:
    """Of reports that come oldest first: in the order in which entries were run, each with its regrades after it."""
    every = list(reports)
    run = _runs(every)
    return sorted(every, key=lambda report: run[report.grade_id])


def _runs(reports: Sequence[GradeReport]) -> dict[str, int]:
    """In which run the answers of each were made, by its id: a regrade's in that of the grade it scores again."""
    run: dict[str, int] = {}
    for number, report in enumerate(reports):
        run[report.grade_id] = run.get(report.regrade_of or "", number)
    return run


def scored_again(reports: Iterable[GradeReport], withdrawn: Container[str]) -> frozenset[str]:
    """The ids of the grades whose answers a later one of `reports` scores, directly or not, that was not withdrawn."""
    every = list(reports)
    corrects = {report.grade_id: report.regrade_of for report in every}
    found: set[str] = set()
    for report in every:
        earlier = None if report.grade_id in withdrawn else report.regrade_of
        while earlier and earlier not in found:
            found.add(earlier)
            earlier = corrects.get(earlier)
    return frozenset(found)


def ranks(figures: Sequence[float]) -> list[int]:
    """The rank of each of these figures, which come best first: equal ones share it, and the next is skipped."""
    taken: list[int] = []
    for place, figure in enumerate(figures, start=1):
        taken.append(taken[-1] if taken and figure == figures[place - 2] else place)
    return taken
