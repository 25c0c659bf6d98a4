"""The grade of a program that runs by 1X's own rules: it reads the whole clip and says itself how well it did.

It had the truth before it, so nothing of this is a score: what it printed is kept as self-reported, and logits that it
saved are scored once more by us, which checks its arithmetic and nothing else. See docs/open-protocol.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.admission import Rules
from harness.arrival import Arrival
from harness.data.clips import clip_sha256
from harness.data.windows import Schedule
from harness.disk import scratch
from harness.errors import DataInvalid, DependencyMissing, GuestFailed, NotAdmitted, WmcError
from harness.exam import Exam, interval_rng, set_exam
from harness.open_rules.printed import printed_figures
from harness.open_rules.saved_logits import check_torch
from harness.open_rules.scoring import largest_outputs, score_saved
from harness.progress import Progress
from harness.protocol.conversation import Limits
from harness.provenance import first_provenance
from harness.results.public_data import PublicData
from harness.results.record import Record, failure_of, new_grade_id
from harness.results.report import OPEN, SCORED_AS, GradeReport, OpenRun, Rescored
from harness.results.store import Store
from harness.sandbox.contract import ENDED_WELL, BuiltEntry, Guest, Outputs, Sandbox
from harness.slips import check_paths

ISOLATED = "docker"
"""The sandbox whose programs are another user's, and see of the host what is mounted."""

_POLL_S = 0.2
_OTHERS_MAY_READ = 0o004


@dataclass(frozen=True, kw_only=True)
class OpenRequest:
    """What to run, on what, and how.

    Attributes:
        submission: the zip.
        data: the clip's folder, which the program is shown whole.
        seed: draws the interval of rescored losses.
        limits: of these `regime_s` holds, for all of the program's time.
        saves_outputs: whether its evaluate.py takes `--save_outputs_dir`.
        exposes_truth: whether it may be shown a clip that is not public.
        rules: what keeps a submission from being graded; None where nothing does.
    """

    submission: Path
    data: Path
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    saves_outputs: bool = False
    exposes_truth: bool = False
    rules: Rules | None = None


def grade_openly(
    request: OpenRequest, *, sandbox: Sandbox, store: Store, progress: Progress, grade_id: str | None = None
) -> GradeReport:
    """Run one submission by 1X's rules; its record, under `grade_id`, is in the store when this returns or raises.

    Raises: as `harness.grading.grade`; NotAdmitted also for held-out data that nobody said may be given away.
    """
    check_paths(store, submission=request.submission, data=request.data)
    provenance = first_provenance(
        sandbox, seed=request.seed, schedule=Schedule.UPSTREAM, limits=request.limits, protocol=OPEN
    )
    record = Record(grade_id=grade_id or new_grade_id(), provenance=provenance)
    stages = _Stages(request=request, sandbox=sandbox, store=store, progress=progress, record=record)
    with (
        ExitStack() as admission,  # until its record is kept
        record.kept_in(store),
        scratch.folder("grade") as folder,
    ):
        exam = stages.open_data()
        stages.check_exposure()
        entry = stages.arrival.open_submission(request.submission, folder / "entry")
        admission.enter_context(stages.arrival.admitted(entry, request.rules))
        if request.rules:
            progress.note(f"grade {record.grade_id}")
        built = stages.arrival.build(entry)
        with stages.outputs(exam) as outputs:
            stages.run(built, exam, outputs)
            stages.keep(stages.read_figures(), outputs, exam)
    return record.report


@dataclass(frozen=True, kw_only=True)
class _Stages:
    """The stages of one open grade. Each returns its value and tells the record what it learned."""

    request: OpenRequest
    sandbox: Sandbox
    store: Store
    progress: Progress
    record: Record

    def open_data(self) -> Exam:
        """1X's own windows of the clip, in its order."""
        request = self.request
        with self.progress.step(f"checking {request.data}"), self.record.timed("data"):
            if self.sandbox.name == ISOLATED:
                check_readable(request.data)
            exam = set_exam(request.data, Schedule.UPSTREAM, request.seed)
            self.record.learn(data_name=request.data.resolve().name, data_sha256=clip_sha256(exam.clip))
        return exam

    def check_exposure(self) -> None:
        """Nothing for a clip that everybody has, and for one that the organiser gives away knowingly.

        Raises: NotAdmitted.
        """
        data = self.arrival.data
        records = self.store.reports() if self.store.is_begun() else ()
        reason = PublicData(records).why_private(data.name, data.sha256)
        if reason and not self.request.exposes_truth:
            raise NotAdmitted(
                f"the open protocol shows the entry's code all of the clip, the truth too. {reason}",
                code="admission.exposes_truth",
                fix="grade on public val, or add --expose-held-out-truth if this code may see the truth",
            )

    @contextmanager
    def outputs(self, exam: Exam) -> Iterator[Outputs | None]:
        """A place to save in, of the size that 1X's four files take; None where the program is not asked to."""
        with ExitStack() as stack:
            place = None
            if self.request.saves_outputs:
                self._expect_torch()
                place = stack.enter_context(
                    self.sandbox.outputs(
                        grade_id=self.record.grade_id, max_bytes=largest_outputs(exam.num_windows)
                    )
                )
            yield place

    def run(self, built: BuiltEntry, exam: Exam, outputs: Outputs | None) -> None:
        """The program, until it ended as it should.

        Raises: GuestFailed, SandboxUnavailable, SandboxFailed.
        """
        log = self._log
        try:
            with (
                self.progress.step("running ./evaluate.py on the whole clip"),
                self.record.timed("open"),
                self.sandbox.run_openly(
                    built, grade_id=self.record.grade_id, data=exam.clip.folder, outputs=outputs, log=log
                ) as guest,
            ):
                _wait(guest, outputs, limit_s=self.request.limits.regime_s)
        finally:
            self.record.learn(sandbox_details=self.sandbox.details)

    def read_figures(self) -> dict[str, float]:
        """What it printed."""
        return printed_figures(self._log)

    def keep(self, figures: dict[str, float], outputs: Outputs | None, exam: Exam) -> None:
        """What it said of itself in the record, and what its logits are worth.

        Raises: GuestFailed where it said nothing and saved nothing that can be scored.
        """
        rescored, trouble = None, None
        if outputs:
            try:
                with self.record.timed("rescoring"):
                    rescored = self._rescore(outputs, exam)
            except WmcError as error:
                self.progress.note(f"its saved logits are not scored: {error.message}")
                trouble = failure_of(error)
        if not figures and rescored is None:
            raise GuestFailed(
                "evaluate.py printed no figures: a dictionary of names and numbers, on a line of its own",
                code="open.no_figures",
                fix="print what 1X's evaluate.py prints last, such as {'loss': '8.7900', 'acc': '0.0320'}",
            )
        self.record.open_run = OpenRun(self_reported=figures, rescored=rescored, not_rescored=trouble)

    def _expect_torch(self) -> None:
        """Say before hours of running what will be missing after them."""
        try:
            check_torch()
        except DependencyMissing as error:
            self.progress.note(f"what it saves will not be scored: {error.message}; {error.fix}")

    def _rescore(self, outputs: Outputs, exam: Exam) -> Rescored:
        uid = self.sandbox.policy.uid
        sheet, digest = score_saved(outputs, exam, uid=uid, progress=self.progress)
        scores = sheet.total(interval_rng(exam.seed, SCORED_AS))
        tokens_file, tokens_sha256 = self.store.save_tokens(
            self.record.grade_id,
            "open",
            nats_BTHW=sheet.nats_BTHW,
            tokens_BTHW=sheet.tokens_BTHW,
            starts_B=exam.truth.starts,
        )
        return Rescored(
            loss=scores.loss,
            loss_ci=scores.loss_ci,
            token_accuracy=scores.token_accuracy,
            loss_by_frame=scores.loss_by_frame,
            first_frame=SCORED_AS.first_target(),
            windows=scores.windows,
            logits_sha256=digest,
            tokens_file=tokens_file,
            tokens_sha256=tokens_sha256,
        )

    @property
    def arrival(self) -> Arrival:
        """The stages that every grade begins with."""
        return Arrival(sandbox=self.sandbox, store=self.store, progress=self.progress, record=self.record)

    @property
    def _log(self) -> Path:
        return self.store.grade_folder(self.record.grade_id) / "open.log"


def check_readable(data: Path) -> None:
    """Nothing, if the entry's user can read the whole clip where its folder alone is mounted.

    Raises: DataInvalid.
    """
    try:
        paths = [data.resolve(), *sorted(data.resolve().rglob("*"))]
        wrong = [path for path in paths if path.is_symlink() or not path.stat().st_mode & _OTHERS_MAY_READ]
    except OSError as error:
        raise _unreadable(data, str(error)) from error
    if wrong:
        raise _unreadable(data, f"{wrong[0]} is a link, or others may not read it")


def _unreadable(data: Path, why: str) -> DataInvalid:
    return DataInvalid(
        f"{data} cannot be shown to an entry as it is: {why}",
        code="data.not_shareable",
        fix="copy the clip's files themselves into a folder, and let others read them: chmod -R o+rX DIR",
    )


def _wait(guest: Guest, outputs: Outputs | None, *, limit_s: float) -> None:
    """Nothing once it has ended as it should. Raises: GuestFailed; SandboxFailed."""
    started = time.monotonic()
    while (ended := guest.how_it_ended()) is None:
        if outputs:
            outputs.check()
        if time.monotonic() - started > limit_s:
            raise GuestFailed(
                f"evaluate.py did not end within {limit_s:g} s",
                code="open.timeout",
                fix="predict faster; --regime-timeout sets the limit",
            )
        time.sleep(_POLL_S)
    if ended != ENDED_WELL:
        raise GuestFailed(
            f"evaluate.py {ended}",
            code="open.ended",
            fix="read open.log: the last lines usually say why; it must end with status 0",
        )
