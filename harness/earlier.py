"""What an earlier process of the same grade left: finished regimes, and what they were answers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.copying.copy_check import CopyCheck
from harness.errors import ResumeRefused, StoreFailed
from harness.exam import Predicted
from harness.protocol.regimes import Regime
from harness.recomputing.rescoring import kept_answers
from harness.results.artifacts import artifacts_of_regime, read_artifact
from harness.results.journal_lines import Finished, History, Learned
from harness.results.next_commands import abandon_command
from harness.results.store import Store

BUILT = "the entry was built"
"""The last stage before the entry is asked anything."""

_OF_THE_GRADE = {
    "data_name": "the graded clip has another name than when it began",
    "data_sha256": "the graded clip is not the one that it began with",
    "submission_sha256": "the zip is not the one that it began with",
    "base_image": "the base image is not the one that the entry ran in",
    "entry_tree_sha256": "the entry was built again, and its build.sh did not make the same files",
}
_CODES = {
    "data_name": "resume.other_data",
    "data_sha256": "resume.other_data",
    "submission_sha256": "resume.other_submission",
    "base_image": "resume.other_base_image",
    "entry_tree_sha256": "resume.other_build",
    "train_sha256": "resume.other_train",
    "probes_sha256": "resume.other_train",
}


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The part of a grade that is done.

    Attributes:
        known_as: the id that its operator knows: of the grade that is taken over, where one is.
    """

    history: History
    store: Store
    known_as: str

    @property
    def sandboxes(self) -> Mapping[Regime, Mapping[str, str]]:
        """What its sandbox said of itself in each finished regime."""
        return {regime: each.sandbox_details for regime, each in self.finished.items()}

    @property
    def finished(self) -> Mapping[Regime, Finished]:
        """The regimes that are not run again."""
        return self.history.finished

    def check_files(self) -> None:
        """Whether everything that finished regimes left is there.

        Raises: StoreFailed.
        """
        for finished in self.finished.values():
            for artifact in (*artifacts_of_regime(finished.report), finished.answers):
                if artifact:
                    read_artifact(self.store.folder, artifact)

    def compare(self, learned: Learned) -> None:
        """Whether what was learned is what was learned before, as far as both know it.

        Raises: ResumeRefused.
        """
        before = self.history.learned
        for name, what in _OF_THE_GRADE.items():
            was, this = getattr(before.provenance, name), getattr(learned.provenance, name)
            if was is not None and this is not None and was != this:
                raise self._other(name, what, was, this)
        for name, was in (before.probes or {}).items():
            this = (learned.probes or {}).get(name, was)
            if was != this:
                raise self._other(
                    name, "the retrieval check asks something else than when it began", was, this
                )

    def predicted(self, regime: Regime, check: CopyCheck | None) -> Predicted:
        """What the entry predicted; what it thinks of the probes is in the check's sheet again.

        Raises: StoreFailed where a file is lost or damaged.
        """
        finished = self.finished[regime]
        if check and check.tap(regime):
            self._fill(check, finished)
        answers = kept_answers(finished.report, regime, self.store.folder)
        return Predicted(regime=regime, draws=tuple(each.tokens_BTHW for each in answers))

    def _fill(self, check: CopyCheck, finished: Finished) -> None:
        try:
            if finished.answers is None:
                raise ValueError("none were kept")
            check.sheet.fill(read_artifact(self.store.folder, finished.answers))
        except ValueError as error:
            raise StoreFailed(
                f"the answers to the retrieval check's probes cannot be used: {error}",
                code="store.partial",
                fix=f"nothing goes on from a part: {self._give_up}",
            ) from error

    def _other(self, name: str, what: str, was: object, this: object) -> ResumeRefused:
        return ResumeRefused(
            f"{what}: {name} was {was}, now it is {this}",
            code=_CODES[name],
            fix=f"bring back what it began with, or {self._give_up}",
        )

    @property
    def _give_up(self) -> str:
        return give_up(self.store, self.known_as)


def give_up(store: Store, grade_id: str) -> str:
    """What to do with a grade that cannot go on, as the end of a sentence."""
    return f"close it (`{abandon_command(store, grade_id)}`) and grade again"
