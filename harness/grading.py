"""The whole grade: a zip becomes an entry, a built volume, a gated run per regime, scores, and one record.

This is the only module that knows the order of the stages. Each hands a value to the next; nothing flows back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from harness.admission import Data, Rules, admitted, in_words
from harness.asking import Asker
from harness.copying import CopyCheck, open_copy_check
from harness.data.clips import clip_sha256
from harness.data.published import lpips_folder
from harness.data.windows import Schedule
from harness.earlier import BUILT, Earlier
from harness.errors import GuestFailed, UsageError
from harness.exam import SCORING_VERSION, Exam, Predicted, Result, examine, set_exam
from harness.intake.archive import Entry, open_archive
from harness.intake.manifest import EntryManifest
from harness.looking import PictureStage
from harness.pictures import NOT_LOOKED_AT, open_viewer
from harness.plain import to_plain
from harness.progress import Progress
from harness.protocol.conversation import GATE_VERSION, Limits
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.reporting import entry_facts, regime_report, with_pictures
from harness.results.journal import Journal, begin, now
from harness.results.journal_lines import Asked, Finished, Learned
from harness.results.record import Record
from harness.results.report import GradeReport, Provenance
from harness.results.store import Store
from harness.results.version import git_commit, harness_version
from harness.retrieval.entry_scan import scan_entry
from harness.retrieval.frame_index import index_frames
from harness.retrieval.report import COPIES_IN, EntryScan, TrainGap
from harness.sandbox.contract import BuiltEntry, Sandbox
from harness.spec import CHALLENGE
from harness.train_gap import measure_train_gap


@dataclass(frozen=True, kw_only=True)
class GradeRequest:
    """What to grade, on what, and how.

    Attributes:
        submission: the zip.
        data: the held-out clip's folder.
        regimes: empty for every regime the entry can be graded in.
        seed: orders the windows, draws warm-up, probe and bootstrap.
        max_windows: grade only the first so many, for a quick check; None for all.
        samples: how often the fully autoregressive regime is asked.
        pictures: whether predictions are decoded and compared with decoded truth.
        codec: path of the codec that decodes; None for the one the data names.
        lpips_weights: the folder of the weights of LPIPS.
        train: the clip that the entry may have copied; None for no retrieval check.
        panel: honest entries to compare with; None for the store's own, if it has a panel.
        rules: what keeps a submission from being graded; None for an entrant's own check, which nothing does.
    """

    submission: Path
    data: Path
    regimes: tuple[Regime, ...] = ()
    schedule: Schedule = Schedule.DISJOINT
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    max_windows: int | None = None
    samples: int = 1
    pictures: bool = True
    codec: str | None = None
    lpips_weights: Path = field(default_factory=lpips_folder)
    train: Path | None = None
    panel: Path | None = None
    rules: Rules | None = None

    @property
    def anywhere(self) -> GradeRequest:
        """The same, with absolute paths."""
        return replace(
            self,
            submission=self.submission.absolute(),
            data=self.data.absolute(),
            codec=self.codec and str(Path(self.codec).absolute()),
            lpips_weights=self.lpips_weights.absolute(),
            train=self.train and self.train.absolute(),
            panel=self.panel and self.panel.absolute(),
        )


def grade(request: GradeRequest, *, sandbox: Sandbox, store: Store, progress: Progress) -> GradeReport:
    """Grade one submission; its record, scored or failed, is in the store when this returns or raises.

    Raises: an interruption, a bug of ours (both recorded first), NotAdmitted, which leaves no record, for nothing was
    graded, and StoreFailed when the record cannot be kept. Once there are scores, an interruption costs only what
    comes after them. A process that is killed leaves a journal, from which `harness.resuming` goes on.
    """
    record = Record(provenance=provenance_of(request, sandbox))
    with begin(store, asked_for(request, sandbox, record)) as journal:
        stages = Stages(
            request=request, sandbox=sandbox, store=store, progress=progress, record=record, journal=journal
        )
        with (
            ExitStack() as admission,  # until its record is kept
            record.kept_in(store, journal),
            tempfile.TemporaryDirectory(prefix="wmc-") as scratch,
        ):
            stages.answer(stages.prepare(Path(scratch), admission))
    return record.report


def provenance_of(request: GradeRequest, sandbox: Sandbox) -> Provenance:
    """What is known before anything is looked at."""
    return Provenance(
        harness_version=harness_version(),
        git_commit=git_commit(),
        spec_version=CHALLENGE.version,
        gate_version=GATE_VERSION,
        seed=request.seed,
        schedule=request.schedule.value,
        sandbox=sandbox.name,
        sandbox_details=sandbox.details,
        limits=asdict(request.limits),
        max_windows=request.max_windows,
        samples=request.samples,
        scoring_version=SCORING_VERSION,
    )


def asked_for(request: GradeRequest, sandbox: Sandbox, record: Record) -> Asked:
    """The first line of this grade's journal."""
    return Asked(
        grade_id=record.grade_id,
        begun_at=now(),
        request=to_plain(request.anywhere),
        policy=to_plain(sandbox.policy),
        provenance=record.provenance,
    )


@dataclass(frozen=True, kw_only=True)
class Ready:
    """All that is there before the entry is asked anything."""

    exam: Exam
    check: CopyCheck | None
    entry: Entry
    built: BuiltEntry


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of one grade. Each returns its value and tells the record, and the journal, what it learned.

    Attributes:
        earlier: what the journal of a process that was killed says; its regimes are not run again.
    """

    request: GradeRequest
    sandbox: Sandbox
    store: Store
    progress: Progress
    record: Record
    journal: Journal
    earlier: Earlier | None = None

    def prepare(self, scratch: Path, admission: ExitStack) -> Ready:
        """Everything before the entry's first answer; it is opened below `scratch`, and admitted until that ends.

        Raises: NotAdmitted; ResumeRefused where something is not as it was for an earlier process.
        """
        exam = self.open_data()
        self._learned("the data was checked")
        entry = self.open_submission(scratch / "entry")
        admission.enter_context(self.admitted(entry))
        self._learned("the submission was opened")
        check = self.prepare_copy_check(exam)
        self._learned("the retrieval check was prepared", check)
        built = self.build(entry)
        self._learned(BUILT, check)
        return Ready(exam=exam, check=check, entry=entry, built=built)

    def answer(self, ready: Ready) -> None:
        """Every regime, and what its answers are worth."""
        exam, check, built = ready.exam, ready.check, ready.built
        predicted = [
            self.predicted(regime, exam, built, check) for regime in self.regimes(ready.entry.manifest)
        ]
        with self.record.scored(self.progress):
            if check:
                gap = self.measure_train_gap(check, exam, built)
                scan = self.scan_files(check, ready.entry, built)
                self.judge(check, predicted, gap, scan)
            self.look_at_pictures(check, predicted, exam)

    def predicted(self, regime: Regime, exam: Exam, built: BuiltEntry, check: CopyCheck | None) -> Predicted:
        """What the entry predicts in this regime, or predicted before the harness was killed; scored and kept."""
        if self.earlier and regime in self.earlier.finished:
            self.record.regimes[regime] = self.earlier.finished[regime].report
            return self.earlier.predicted(regime, check, self.store)
        result = self.run(regime, exam, built, check)
        self.keep(result, exam, check)
        return result.predicted

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
        submission = self.request.submission
        with self.progress.step(f"opening {submission}"), self.record.timed("intake"):
            entry = open_archive(submission, folder)
        self.record.learn(submission_sha256=entry.sha256)
        self.record.entry = entry_facts(entry.manifest)
        return entry

    @contextmanager
    def admitted(self, entry: Entry) -> Iterator[None]:
        """Before anything of the entry runs. Raises: NotAdmitted."""
        origin, rules = self.record.provenance, self.request.rules
        if rules is None:
            yield
            return
        data = Data(name=str(origin.data_name), sha256=str(origin.data_sha256))
        with admitted(entry, data, rules, store=self.store, grade_id=self.record.grade_id) as admission:
            self.record.learn(admission=admission)
            if admission:
                self.progress.note(in_words(admission))
            yield

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

    def build(self, entry: Entry) -> BuiltEntry:
        """The entry after its build.sh."""
        with self.record.timed("build"):
            built = self.sandbox.build(
                entry.folder,
                entry_sha256=entry.sha256,
                grade_id=self.record.grade_id,
                log=self.store.grade_folder(self.record.grade_id) / "build.log",
                progress=self.progress,
            )
        self.record.learn(
            entry_tree_sha256=built.tree_sha256,
            entry_bytes=built.size_bytes,
            entry_files=built.num_files,
            build_s=built.build_seconds,
            base_image=built.base_image,
        )
        return built

    def run(self, regime: Regime, exam: Exam, built: BuiltEntry, check: CopyCheck | None) -> Result:
        """One regime, in a sandbox and with a gate of its own."""
        conduct = partial(
            examine, exam=exam, progress=self.progress, tap=check.tap(regime) if check else None
        )
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

    def _learned(self, stage: str, check: CopyCheck | None = None) -> None:
        """Write down what is known by now, if it is what it was before."""
        learned = Learned(
            stage=stage,
            provenance=self.record.provenance,
            entry=self.record.entry,
            durations_s=dict(self.record.durations_s),
            probes=check.digests if check else None,
        )
        if self.earlier:
            self.earlier.compare(learned)
        if not {stage, BUILT} & {*self.journal.history.stages}:  # after the build nothing more is learned
            self.journal.write(learned)

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
