"""What is announced of grades on private data: an entrant's best, until one beats it by more than noise.

Every published figure of private data is an answer about it, and whoever sends often enough could read the data from
the answers. So the figures of a grade stay in the store unless it is better than the announced best of its entrant,
under whatever entry names, by more than chance makes the best of as many tries better. Blum and Hardt, The Ladder: A
Reliable Leaderboard for Machine Learning Competitions (2015).

What was published stays as it was: whether a grade is announced is settled by what was known when its record was made.
So a withdrawal counts from its moment on. What is sent after it need not beat the withdrawn grade, whose figure may
have been a mistake. But its entrant was told that figure: what only noise tells from it is not announced, or each
withdrawal would be one answer more, and the best of all of them luck. What was not announced before a withdrawal stays
so, for a figure that comes out late would carry its old date, and could take "first below 8.0" from somebody who was
told that they were. The entrant sends again, or the organiser scores such a grade again: `wmc regrade` makes a record
of today, which climbs today.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from harness.results import moment
from harness.results.fairness import Fairness, read_fairness
from harness.results.public_data import PublicData
from harness.results.register import names
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.withdrawals import Withdrawal, withdrawals, withdrawn
from harness.scoring.perceptual import Metric
from leaderboard.counting import scored_again
from leaderboard.figures import COARSE, FULL, Precision
from leaderboard.improvement import improves_loss, improves_lpips
from leaderboard.marks import is_self_run
from leaderboard.measured import measured
from leaderboard.publishable import publishable, without_figures, without_losses, without_pictures
from leaderboard.senders import Senders
from leaderboard.tracks import IMAGINED, RANKED_BY
from leaderboard.withdrawn import Struck, struck_out


@dataclass(frozen=True, kw_only=True)
class Announcements:
    """Of which grades figures are published, and how exactly; as it is made here, of all of them with all digits.

    Attributes:
        public: which data everybody has, of which everything is told; None for all data.
        by_loss, by_lpips: ids of the grades on other data that are announced for one or the other.
        own: ids of the organiser's own grades on such data, which win nothing.
        given: user names that the organiser gave to another address, see `Senders`.
        withdrawn: what the organiser took back, by the grades' ids.
        scored_again: ids of the grades whose answers a later one scores that was not withdrawn.
    """

    public: PublicData | None = None
    by_loss: frozenset[str] = frozenset()
    by_lpips: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    given: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Mapping[str, Struck] = field(default_factory=dict)
    scored_again: frozenset[str] = frozenset()
    _made: dict[str, tuple[GradeReport, GradeReport]] = field(default_factory=dict, repr=False, compare=False)
    """What was made publishable, beside what it was made of."""

    def senders(self, reports: Iterable[GradeReport]) -> Senders:
        """Whose user name is whose."""
        return Senders(reports, self.given)

    def precision(self, report: GradeReport) -> Precision:
        """How exactly its figures are published."""
        return FULL if self._is_open(report) else COARSE

    def ranks_by_loss(self, report: GradeReport) -> bool:
        """Whether it may stand on a board of losses."""
        return self._is_open(report) or report.grade_id in self.by_loss

    def ranks_by_pictures(self, report: GradeReport) -> bool:
        """Whether it may stand on a board of pictures; without LPIPS there is nothing to beat there but the loss."""
        if self._is_open(report) or report.grade_id in self.by_lpips:
            return True
        return _lpips(report) is None and report.grade_id in self.by_loss

    def is_announced(self, report: GradeReport) -> bool:
        """Whether any figure of it is published."""
        return self.ranks_by_loss(report) or self.ranks_by_pictures(report)

    def tells(self, report: GradeReport) -> bool:
        """Whether anything may be published that an entry decides by its answers: of the open protocol on private data
        nothing, for there it has the truth before it."""
        return self._is_open(report) or (report.open_run is None and self.is_announced(report))

    def publishable(self, report: GradeReport) -> GradeReport:
        """The grade as strangers may see it, without figures where its loss is not announced; made once."""
        source, made = self._made.get(report.grade_id, (None, report))
        if source is report:
            return made
        if report.failure or self.ranks_by_loss(report):
            made = publishable(report, self.precision(report))
            if not report.failure and not self.ranks_by_pictures(report):
                made = without_pictures(made)
        else:
            made = without_figures(report)
        if self.public is not None:  # `EVERYTHING` lives as long as the program
            self._made[report.grade_id] = (report, made)
        return made

    def pictures_of(self, report: GradeReport) -> GradeReport:
        """The grade as it stands on a board of pictures, without losses where its loss is not announced."""
        if self.ranks_by_loss(report):
            return self.publishable(report)
        return without_losses(publishable(report, self.precision(report)))

    def is_private(self, report: GradeReport) -> bool:
        """Whether it is of data that not everybody has."""
        return not self._is_open(report)

    def _is_open(self, report: GradeReport) -> bool:
        return self.public is None or not self.public.is_private(report)


EVERYTHING = Announcements()
"""For data that everybody has."""


def announce(
    reports: Iterable[GradeReport],
    fairness: Fairness | None = None,
    *,
    given: Mapping[str, str] | None = None,
    decisions: Sequence[Withdrawal] = (),
) -> Announcements:
    """What is announced of `reports` after these decisions, both oldest first; the organiser's own entries always are.

    Later records and decisions change nothing of what was announced before. A grade that was withdrawn is announced as
    it was, and is no best that one which was graded after its withdrawal has to beat; it only has to differ from it by
    more than noise.
    """
    reports = list(reports)
    public = PublicData(reports)
    rules = fairness or Fairness()
    finished = [report for report in reports if not report.failure]
    private = [report for report in finished if public.is_private(report)]
    senders = Senders(finished, given)

    def owner(report: GradeReport) -> Hashable | None:
        """Whose it is; None for the organiser's own."""
        if rules.is_organisers(report.entry.user_name) and not senders.is_other(report):
            return None
        key = senders.key(report)
        return key.email_sha256 or (key.user_name or "").casefold()

    known = _Known(decisions, reports)
    struck = struck_out(decisions, reports)
    return Announcements(
        public=public,
        own=frozenset(report.grade_id for report in private if owner(report) is None),
        given=given or {},
        withdrawn=struck,
        scored_again=scored_again(finished, struck),
        by_loss=_climb(private, owner, _loss, improves_loss, known.withdrawn_before),
        by_lpips=_climb(private, owner, _lpips, improves_lpips, known.withdrawn_before),
    )


def announced_in(store: Store) -> Announcements:
    """What is announced of the grades in a store, by the organiser's rules there; of the public val everything.

    Raises: StoreFailed.
    """
    return announce(
        store.reports(),
        read_fairness(store.folder),
        given=names(store).given,
        decisions=withdrawals(store),
    )


class _Known:
    """What was withdrawn at a time."""

    def __init__(self, decisions: Sequence[Withdrawal], reports: Sequence[GradeReport]) -> None:
        self._decisions, self._reports = decisions, reports
        self._decided_at = [moment.read(decision.at) for decision in decisions]
        self._after_first = lru_cache(maxsize=None)(self._withdrawn)

    def withdrawn_before(self, report: GradeReport) -> Container[str]:
        """The ids of the grades that were withdrawn when this one was recorded."""
        if not self._decisions:
            return ()
        recorded = moment.read(report.finished_at)
        return self._after_first(sum(at <= recorded for at in self._decided_at))

    def _withdrawn(self, number: int) -> Container[str]:
        return withdrawn(self._decisions[:number], self._reports)


@dataclass(frozen=True, kw_only=True)
class _Rung:
    """What of an entrant's is announced, and how many grades were compared with its best since the first."""

    announced: tuple[GradeReport, ...] = ()
    compared: int = 0

    def with_one_more(self, report: GradeReport) -> _Rung:
        """The same after `report` was announced."""
        return replace(self, announced=(*self.announced, report))

    def standing(self, back: Container[str]) -> tuple[GradeReport, ...]:
        """What may be the best where those in `back` were withdrawn: of the same answers how they were scored last."""
        left = [each for each in self.announced if each.grade_id not in back]
        scored_again = {each.regrade_of for each in left}
        return tuple(each for each in left if each.grade_id not in scored_again)


def _climb(
    reports: Iterable[GradeReport],
    owner: Callable[[GradeReport], Hashable | None],
    figure: Callable[[GradeReport], float | None],
    improves: Callable[[GradeReport, GradeReport, int], bool],
    withdrawn_before: Callable[[GradeReport], Container[str]],
) -> frozenset[str]:
    """The ids of the announced grades of one track, whose `figure` is the smaller, the better."""
    rungs: dict[Hashable, _Rung] = {}
    announced: set[str] = set()
    for report in reports:
        if figure(report) is None:
            continue
        whose = owner(report)
        if whose is None:
            announced.add(report.grade_id)
            continue
        contest = (whose, is_self_run(report), *_contest(report))
        rung = rungs.get(contest, _Rung())
        if report.regrade_of in announced:  # the same answers, told before
            announced.add(report.grade_id)
            rungs[contest] = rung.with_one_more(report)
            continue
        back = withdrawn_before(report)
        standing = rung.standing(back)
        taken_back = [each for each in rung.announced if each.grade_id in back]
        best = min(standing, key=lambda each: figure(each) or 0.0, default=None)
        number = rung.compared + 1 if rung.announced else 0
        if (best is None or improves(best, report, number)) and all(
            _is_news(each, report, improves, number) for each in taken_back
        ):
            announced.add(report.grade_id)
            rung = rung.with_one_more(report)
        rungs[contest] = replace(rung, compared=number)
    return frozenset(announced)


def _is_news(
    taken_back: GradeReport,
    report: GradeReport,
    improves: Callable[[GradeReport, GradeReport, int], bool],
    number: int,
) -> bool:
    """Whether more than noise tells it from a withdrawn grade, whose figure is out: better or worse."""
    return improves(taken_back, report, number) or improves(report, taken_back, number)


def _contest(report: GradeReport) -> tuple[Hashable, ...]:
    """What two grades have in common whose windows are the same."""
    origin = report.provenance
    windows = tuple(result.windows if result else 0 for result in report.regimes.values())
    return origin.data_sha256, origin.schedule, max(windows), origin.spec_version


def _loss(report: GradeReport) -> float | None:
    result = report.regimes.get(RANKED_BY)
    return result.loss if result else None


def _lpips(report: GradeReport) -> float | None:
    found = measured(report.regimes.get(IMAGINED), Metric.LPIPS)
    return found.mean if found else None
