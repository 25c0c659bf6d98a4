"""The whole grade: a zip becomes an entry, a built volume, a gated run per regime, scores, and one record.

This is the only module that knows the order of the stages. Each hands a value to the next; nothing flows back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from harness.admission import Data, Rules, admitted, in_words
from harness.asking import Asker
from harness.copying import CopyCheck, open_copy_check
from harness.data.clips import clip_sha256
from harness.data.published import lpips_folder
from harness.data.windows import Schedule
from harness.errors import GuestFailed, UsageError
from harness.exam import SCORING_VERSION, Exam, Result, examine, set_exam
from harness.intake.archive import Entry, open_archive
from harness.intake.manifest import EntryManifest
from harness.looking import PictureStage
from harness.pictures import NOT_LOOKED_AT, open_viewer
from harness.progress import Progress
from harness.protocol.conversation import GATE_VERSION, Limits
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.reporting import entry_facts, regime_report, with_pictures
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

INVENTORY = "built.files.jsonl.gz"
"""The artifact that lists every file of the built entry."""


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


def grade(request: GradeRequest, *, sandbox: Sandbox, store: Store, progress: Progress) -> GradeReport:
    """Grade one submission; its record, scored or failed, is in the store when this returns or raises.

    Raises: an interruption, a bug of ours (both recorded first), NotAdmitted, which leaves no record, for nothing was
    graded, and StoreFailed when the record cannot be kept. Once there are scores, an interruption costs only what
    comes after them.
    """
    record = Record(provenance=_provenance(request, sandbox))
    stages = _Stages(request=request, sandbox=sandbox, store=store, progress=progress, record=record)
    with (
        ExitStack() as admission,  # until its record is kept
        record.kept_in(store),
        tempfile.TemporaryDirectory(prefix="wmc-") as scratch,
    ):
        exam = stages.open_data()
        entry = stages.open_submission(Path(scratch) / "entry")
        admission.enter_context(stages.admitted(entry))
        check = stages.prepare_copy_check(exam)
        built = stages.build(entry)
        results = []
        for regime in stages.regimes(entry.manifest):
            results.append(result := stages.run(regime, exam, built, check))
            stages.keep(result, exam)
        with record.scored(progress):
            if check:
                gap = stages.measure_train_gap(check, exam, built)
                scan = stages.scan_files(check, entry, built)
                stages.judge(check, results, gap, scan)
            stages.look_at_pictures(check, results, exam)
    return record.report


def _provenance(request: GradeRequest, sandbox: Sandbox) -> Provenance:
    return Provenance(
        harness_version=harness_version(),
        git_commit=git_commit(),
        spec_version=CHALLENGE.version,
        gate_version=GATE_VERSION,
        seed=request.seed,
        schedule=request.schedule.value,
        sandbox=sandbox.name,
        sandbox_details=sandbox.details,
        sandbox_policy=sandbox.in_force,
        limits=asdict(request.limits),
        max_windows=request.max_windows,
        samples=request.samples,
        scoring_version=SCORING_VERSION,
    )


@dataclass(frozen=True, kw_only=True)
class _Stages:
    """The stages of one grade. Each returns its value and tells the record what it learned."""

    request: GradeRequest
    sandbox: Sandbox
    store: Store
    progress: Progress
    record: Record

    def open_data(self) -> Exam:
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
        with self.record.timed("build"):
            built = self.sandbox.build(
                entry.folder,
                entry_sha256=entry.sha256,
                grade_id=self.record.grade_id,
                log=self.store.grade_folder(self.record.grade_id) / "build.log",
                progress=self.progress,
            )
        file, sha256 = self.store.keep_copy(self.record.grade_id, INVENTORY, Path(built.inventory))
        self.record.learn(
            supply=built.supply,
            inventory_file=file,
            inventory_sha256=sha256,
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

    def keep(self, result: Result, exam: Exam) -> None:
        """The regime's numbers in the record, the tokens and nats of every draw beside it."""
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
        self.record.regimes[result.regime] = with_pictures(regime_report(result, kept), NOT_LOOKED_AT)
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
        self, check: CopyCheck, results: list[Result], gap: TrainGap | GuestFailed, scan: EntryScan
    ) -> None:
        """The verdict of the retrieval check, with all that led to it."""
        with self.record.timed("retrieval"):
            self.record.retrieval = check.report(results, gap, scan, self.record)

    def look_at_pictures(self, check: CopyCheck | None, results: list[Result], exam: Exam) -> None:
        """What comes when the guests are gone."""
        self._picture_stage().look(results, exam, train=check.train if check else None)

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
