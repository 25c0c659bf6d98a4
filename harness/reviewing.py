"""A submission as its reviewer sees it, what it shares with earlier ones and who sent it; and the decision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.disk import scratch
from harness.errors import NotAdmitted
from harness.intake.archive import Entry, open_archive
from harness.intake.review import Review, review
from harness.intake.template import handed_out
from harness.progress import Progress
from harness.results.approvals import Decision, Verdict, decide, last_decision
from harness.results.fairness import read_fairness
from harness.results.register import Person, claim, names, transfer
from harness.results.store import Store
from harness.results.submissions import Likeness, likenesses, remember, submissions


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """Everything a reviewer is shown.

    Attributes:
        entry: what was opened; its files are gone by now.
        likenesses: submissions of other entrants that share files with it, the most alike first.
        compared_with: how many earlier submissions there were, of anybody; None where there is no store.
        decision: the last one about these bytes.
        was_decided: the decision that was asked for is an earlier one, which holds, and nothing was added to it.
        clash: why its user name or address is somebody else's; empty where nothing speaks against it.
        is_organisers: whether its user name is listed as the organiser's own, for which no limit holds.
        has_taken_over: whether the decision gave the user name to its e-mail address, whoever had it.
    """

    entry: Entry
    review: Review
    likenesses: tuple[Likeness, ...]
    compared_with: int | None
    decision: Decision | None
    clash: str
    is_organisers: bool
    was_decided: bool = False
    has_taken_over: bool = False

    @property
    def person(self) -> Person:
        """Who sent it, as its manifest says."""
        manifest = self.entry.manifest
        return Person(user_name=manifest.user_name, email_sha256=manifest.email_sha256)


def reviewed(zip_path: Path, store: Store, *, progress: Progress) -> Reviewed:
    """The review of a zip; nothing in it is run. A store that is there remembers what it is made of.

    Raises: what `open_archive` does; StoreFailed.
    """
    store.require_whole()
    rules = read_fairness(store.folder)
    ours = handed_out()
    with scratch.folder("review") as work:
        entry = open_archive(zip_path, work / "entry", progress=progress)
        with progress.step("searching its files"):
            found = review(entry, handed_out=ours)
    earlier = [each for each in submissions(store) if each.sha256 != entry.sha256]
    is_there = store.folder.is_dir()
    if is_there:
        remember(store, entry)
    shown = Reviewed(
        entry=entry,
        review=found,
        likenesses=likenesses(entry, earlier, ours),
        compared_with=len(earlier) if is_there else None,
        decision=last_decision(store, entry.sha256),
        clash="",
        is_organisers=rules.is_organisers(entry.manifest.user_name),
    )
    try:
        names(store).check(shown.person)
    except NotAdmitted as error:
        return replace(shown, clash=error.message)
    return shown


def decided(
    seen: Reviewed, store: Store, verdict: Verdict, *, by: str, note: str, take_over: bool
) -> Reviewed:
    """The same with the decision that holds now: this one, which is kept, or the approval that was there already.

    Approval registers the user name, `take_over` whoever has it.

    Raises: NotAdmitted where the name or the address is somebody else's; StoreFailed.
    """
    if verdict is Verdict.APPROVED:
        register = transfer if take_over else claim
        register(store, seen.person, by=by)
    remember(store, seen.entry)
    manifest = seen.entry.manifest
    decision = Decision(
        verdict=verdict,
        submission_sha256=seen.entry.sha256,
        user_name=manifest.user_name,
        entry_name=manifest.entry_name,
        by=by,
        note=note,
    )
    clash = "" if verdict is Verdict.APPROVED else seen.clash
    holds, was_decided = decide(store, decision)
    return replace(seen, decision=holds, was_decided=was_decided, clash=clash, has_taken_over=take_over)
