"""The stages of a grade, one method each; `harness.grading` puts them in their order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.arrival import Arrival
from harness.asking import Asker
from harness.copying.copy_check import CopyCheck, open_copy_check
from harness.copying.train_gap import measure_train_gap
from harness.data.clips import clip_sha256
from harness.earlier import BUILT
from harness.errors import GuestFailed, UsageError
from harness.exam import Exam, Predicted, Result, examine, set_exam
from harness.intake.archive import Entry
from harness.intake.manifest import EntryManifest
from harness.pictures.stage import PictureStage
from harness.pictures.viewer import NOT_LOOKED_AT, open_viewer, with_pictures
from harness.progress import Progress
from harness.protocol.host import Prediction, Sink
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.reporting import regime_report
from harness.request import GradeRequest
from harness.results.journal import Journal
from harness.results.journal_lines import Finished
from harness.results.record import Record
from harness.results.store import Store
from harness.retrieval.entry_scan import scan_entry
from harness.retrieval.frame_index import index_frames
from harness.retrieval.report import COPIES_IN, EntryScan, TrainGap
from harness.sandbox.contract import BuiltEntry, Sandbox


def nobody(_regime: Regime) -> None:
    """Listens to nothing."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of one grade. Each returns its value and tells the record what it learned.

    Attributes:
        listening: who hears each scored prediction of a regime beside us, truth and all.
    """

    request: GradeRequest
    sandbox: Sandbox
    store: Store
    progress: Progress
    record: Record
    journal: Journal
    listening: Callable[[Regime], Sink | None] = nobody

    def open_data(self) -> Exam:
        """The questions; and a note of what will not be measured."""
        request = self.request
        with self.progress.step(f"checking {request.data}"), self.record.timed("data"):
            exam = set_exam(
                request.data,
                request.schedule,
                request.seed,
                max_windows=request.max_windows,
                samples=request.samples,
            )
            self.record.learn(
                data_name=request.data.resolve().name,
                data_sha256=clip_sha256(exam.clip),
                order_leaks=exam.order_leaks,
            )
            self._picture_stage().expect(asked_for=self.request.codec is not None)
        return exam

    def prepare_copy_check(self, exam: Exam) -> CopyCheck | None:
        """What is to be known of the training clip before the entry runs."""
        request = self.request
        if request.train is None:
            return None
        if request.regimes and COPIES_IN not in request.regimes:
            raise UsageError(
                f"the retrieval check listens in on a regime that is not graded ({COPIES_IN.value})",
                code="usage.train",
                fix=f"add --regime {COPIES_IN.value}, or leave --train out",
            )
        with self.record.timed("candidates"):
            check = open_copy_check(
                request.train,
                exam,
                data_sha256=str(self.record.provenance.data_sha256),
                panel=request.panel,
                store=self.store,
                progress=self.progress,
            )
        self.record.retrieval = check.unfinished
        return check

    def open_submission(self, folder: Path) -> Entry:
        """The zip's files in `folder`, strictly."""
        return self._arrival.open_submission(self.request.submission, folder)

    def admitted(self, entry: Entry) -> AbstractContextManager[None]:
        """Before anything of the entry runs. Raises: NotAdmitted."""
        return self._arrival.admitted(entry, self.request.rules)

    def regimes(self, manifest: EntryManifest) -> list[Regime]:
        """The asked-for regimes, least disclosing first."""
        asked = self.request.regimes
        if Regime.FULLY_TEACHER_FORCED in asked and not manifest.causal:
            raise UsageError(
                "the entry cannot be graded token by token: its wmc.toml does not declare causal = true",
                code="usage.not_causal",
                fix="leave that --regime out, or grade an entry that declares it",
            )
        possible = [
            regime
            for regime in DISCLOSURE_ORDER
            if manifest.causal or regime is not Regime.FULLY_TEACHER_FORCED
        ]
        return [regime for regime in possible if not asked or regime in asked]

    def announce(self, *, known_as: str | None) -> None:
        """Say the grade's name, now that nothing refuses it: a check has none, and a resumed grade is `known_as` it."""
        if self.request.rules and self.record.grade_id != known_as:
            self.progress.note(f"grade {self.record.grade_id}")

    def build(self, entry: Entry, *, check: Callable[[], object]) -> BuiltEntry:
        """The entry after its build.sh; `check` raises where it is not what it should be."""
        was_built = BUILT in self.journal.history.stages
        return self._arrival.build(entry, check=check, was_built=was_built)

    def run(self, regime: Regime, exam: Exam, built: BuiltEntry, check: CopyCheck | None) -> Result:
        """One regime, in a sandbox and with a gate of its own."""
        tap = _heard_by(check.tap(regime) if check else None, self.listening(regime))
        conduct = partial(examine, exam=exam, progress=self.progress, tap=tap)
        return self._asker().ask(regime, exam, built, conduct)

    def keep(self, result: Result, exam: Exam, check: CopyCheck | None) -> None:
        """The regime's numbers in the record, the tokens and nats of every draw beside it; then it is finished."""
        kept = [
            self.store.save_tokens(
                self.record.grade_id,
                f"{result.regime.value}.draw{draw}" if draw > 1 else result.regime.value,
                nats_BTHW=sheet.nats_BTHW,
                tokens_BTHW=sheet.tokens_BTHW,
                starts_B=exam.truth.starts,
            )
            for draw, sheet in enumerate(result.sheets, start=1)
        ]
        report = with_pictures(regime_report(result, kept), NOT_LOOKED_AT)
        answers = check.keep_answers(result.regime, self.record) if check else None
        self.journal.write(
            Finished(
                regime=result.regime,
                report=report,
                durations_s=dict(self.record.durations_s),
                answers=answers,
                sandbox_details=dict(self.sandbox.details),
            )
        )
        self.record.regimes[result.regime] = report
        if result.terms.causal and not self.record.entry.causal:
            self.progress.note("the predictor is causal, wmc.toml does not say so: not graded token by token")

    def measure_train_gap(self, check: CopyCheck, exam: Exam, built: BuiltEntry) -> TrainGap | GuestFailed:
        """How much better the entry knows the training clip, asked in a sandbox of its own, or how it failed there."""
        conduct = partial(measure_train_gap, exam=exam, train=check.train, progress=self.progress)
        try:
            return self._asker().ask(COPIES_IN, exam, built, conduct, name="train-gap")
        except GuestFailed as error:  # it has its scores; that it fails here is a finding
            return error

    def scan_files(self, check: CopyCheck, entry: Entry, built: BuiltEntry) -> EntryScan:
        """What the entry's files hold of the training clip."""
        with self.record.timed("scan"):
            return scan_entry(
                self.sandbox.files(built, grade_id=self.record.grade_id),
                index_frames(check.train, progress=self.progress),
                size_bytes=built.size_bytes,
                num_files=built.num_files,
                sent_bytes=entry.unpacked_bytes,
                parameters=entry.manifest.parameters,
                progress=self.progress,
            )

    def judge(
        self, check: CopyCheck, predicted: list[Predicted], gap: TrainGap | GuestFailed, scan: EntryScan
    ) -> None:
        """The verdict of the retrieval check, with all that led to it."""
        with self.record.timed("retrieval"):
            self.record.retrieval = check.report(predicted, gap, scan, self.record)

    def look_at_pictures(self, check: CopyCheck | None, predicted: list[Predicted], exam: Exam) -> None:
        """What comes when the guests are gone."""
        self._picture_stage().look(predicted, exam, train=check.train if check else None)

    @property
    def _arrival(self) -> Arrival:
        return Arrival(sandbox=self.sandbox, store=self.store, progress=self.progress, record=self.record)

    def _picture_stage(self) -> PictureStage:
        request = self.request
        opened = partial(
            open_viewer,
            request.data,
            codec=request.codec,
            lpips_weights=request.lpips_weights,
            decoded=self.store.decoded_folder,
        )
        return PictureStage(
            open_viewer=opened if request.pictures else None,
            store=self.store,
            record=self.record,
            progress=self.progress,
        )

    def _asker(self) -> Asker:
        return Asker(sandbox=self.sandbox, store=self.store, record=self.record, limits=self.request.limits)


def _heard_by(*listeners: Sink | None) -> Sink:
    """Tells every one of them that is there."""

    def tell(prediction: Prediction) -> None:
        for listener in listeners:
            if listener:
                listener(prediction)

    return tell
