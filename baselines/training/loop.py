"""The training loop: resume, step, say how it goes, hold out, keep."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.training.batches import Windows, read_ahead, spread
from baselines.training.distributed import Team
from baselines.training.failures import check_finite, out_of_memory_explained
from baselines.training.heldout import mean_heldout_loss
from baselines.training.history import NAMES, History
from baselines.training.learner import Learner
from baselines.training.metrics import MetricsLog
from baselines.training.optimizer import share_of_peak
from baselines.training.order import Order
from baselines.training.pace import Meter, Pace
from baselines.training.peaks import peak_flops
from baselines.training.recipe import Recipe, Running
from baselines.training.snapshots import Snapshot, Snapshots
from baselines.training.stepping import Stepper
from harness.errors import CheckpointInvalid
from harness.progress import Progress
from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a run needs.

    Attributes:
        learner: with fresh weights, on the team's device.
        train, heldout: the windows to learn from, and those held out, which do not touch each other.
        flops_per_window: of learning from one window once.
    """

    learner: Learner
    recipe: Recipe
    running: Running
    team: Team
    train: Windows
    heldout: Windows
    progress: Progress
    flops_per_window: float

    @property
    def snapshots(self) -> Snapshots:
        """Where the run keeps its checkpoints."""
        return Snapshots(self.running.out, keep=self.running.keep)


def train(job: Job) -> None:
    """Take the steps that are not done yet; afterwards the newest checkpoint is the last step's, and there is a best.

    Raises: TrainingFailed, OutputFailed, CheckpointInvalid, UsageError.
    """
    running, recipe, team = job.running, job.recipe, job.team
    stepper = Stepper(
        job.learner, recipe, team, windows_per_pass=running.windows_per_pass, compiled=running.compile
    )
    with ExitStack() as stack:
        stack.enter_context(out_of_memory_explained(max(map(len, stepper.parts))))
        best_loss, newest = _resume(job, stepper)
        done = newest.step if newest else 0
        if done == recipe.steps:
            return
        unlogged = newest.rows("unlogged", len(NAMES)) if newest else ()
        run = _Run(job, stepper, History(team, unlogged), _meter(job), best_loss)
        stack.enter_context(_way_on_told(job))
        if team.is_first:
            run.log = stack.enter_context(MetricsLog(running.out, done, progress=job.progress))
        steps, order = range(done, recipe.steps), Order(len(job.train), batch=recipe.batch, seed=recipe.seed)
        batches = stack.enter_context(
            read_ahead(job.train.read, map(order.at, steps), pin=team.device.type == "cuda")
        )
        advance = stack.enter_context(job.progress.step("Training", total=len(steps)))
        for step, batch in zip(steps, batches, strict=True):
            is_compiling = running.compile and step == done
            with run.meter.paused() if is_compiling else nullcontext():
                run.history.add(stepper.take(step, batch.to(team.device)))
            if not is_compiling:
                run.meter.step(recipe.batch)
            run.after(step + 1)
            advance()
        team.as_first_says(0)  # what the first one wrote is read by all


@dataclass
class _Run:
    """A run in progress, and what is due after each of its steps."""

    job: Job
    stepper: Stepper
    history: History
    meter: Meter
    best_loss: float
    log: MetricsLog | None = None

    def after(self, number: int) -> None:
        """Do what is due after so many steps. The checkpoint comes last: what it follows is never done twice."""
        running, is_last = self.job.running, number == self.job.recipe.steps
        to_log, to_hold_out, to_save = (
            is_last or number % every == 0
            for every in (running.log_every, running.eval_every, running.save_every)
        )
        if to_log or to_hold_out or to_save:
            self.history.settle(number)
        if to_log:
            self._log_line(number)
        with self.meter.paused():
            if to_hold_out:
                self._hold_out(number)
            if to_save:
                self._keep(number)

    def _log_line(self, number: int) -> None:
        recipe = self.job.recipe
        values = self.history.take_means()
        values["learning_rate"] = recipe.learning_rate * share_of_peak(number - 1, recipe)
        pace = self.meter.pace(steps_left=recipe.steps - number)
        self.job.progress.note(line(number, recipe.steps, values, pace))
        if pace:
            values |= {
                "windows_per_s": pace.windows_per_s,
                "tokens_per_s": pace.tokens_per_s,
                "mfu": pace.mfu,
            }
        self._write(number, values)

    def _hold_out(self, number: int) -> None:
        job = self.job
        windows_B = spread(len(job.heldout), job.running.eval_windows)
        loss = mean_heldout_loss(job.learner, job.heldout, windows_B, job.team, len(self.stepper.parts[0]))
        check_finite(["held-out loss"], [loss], number)
        self._write(number, {"heldout_loss": loss, "heldout_windows": len(windows_B)})
        is_best = loss < self.best_loss
        job.progress.note(
            f"step {number:,}  held-out loss {loss:.4f}, {job.learner.heldout_regime}, "
            f"{len(windows_B):,} window{'s' * (len(windows_B) > 1)}{'  (best so far)' if is_best else ''}"
        )
        if is_best:
            self.best_loss = loss
            if job.team.is_first:
                state = {"heldout_loss": loss, "heldout_windows": len(windows_B)}
                job.snapshots.set_best(number, job.learner.save, **state)

    def _keep(self, number: int) -> None:
        def fill(folder: Path) -> None:
            self.job.learner.save(folder)
            self.stepper.descent.save(folder)

        if self.job.team.is_first:
            self.job.snapshots.add(number, fill, unlogged=self.history.unlogged)

    def _write(self, number: int, values: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write(number, **values)


def line(number: int, steps: int, values: dict[str, float], pace: Pace | None) -> str:
    """What is said of the last steps: `values` are their means, the learning rate the last one's."""
    text = (
        f"step {number:,}/{steps:,}  loss {values['loss']:.4f}  accuracy {values['accuracy']:.2%}  "
        f"lr {values['learning_rate']:.2e}"
    )
    if pace is None:
        return text
    minutes, seconds = divmod(round(pace.eta_s), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{text}  {pace.windows_per_s:,.1f} windows/s  {pace.tokens_per_s:,.0f} tokens/s  MFU {pace.mfu:.1%}  "
        f"{hours}:{minutes:02}:{seconds:02} left"
    )


def _resume(job: Job, stepper: Stepper) -> tuple[float, Snapshot | None]:
    """The lowest held-out loss so far, and the checkpoint that the learner and the optimizer now continue."""
    if job.team.is_first:
        job.snapshots.sweep()
    newest = job.snapshots.newest() if job.team.is_first else None
    step = job.team.as_first_says(newest.step if newest else 0)
    best_loss = _best_loss(job, len(stepper.parts[0])) if step < job.recipe.steps else math.inf
    if not step:
        return best_loss, None
    newest = job.snapshots.at(step)
    load(job.learner, newest.folder)
    stepper.descent.load(newest.folder)
    if step < job.recipe.steps:
        job.progress.note(f"going on from step {step:,} of {job.recipe.steps:,}: {newest.folder}")
    return best_loss, newest


def load(learner: Learner, folder: Path) -> None:
    """Take the weights of a checkpoint of this run. Raises: CheckpointInvalid, which says how the run goes on."""
    try:
        learner.load(folder)
    except CheckpointInvalid as error:
        raise CheckpointInvalid(error.message, fix=f"remove {folder} to go on without it") from error


def _best_loss(job: Job, at_once: int) -> float:
    """The best checkpoint's held-out loss, computed again if other windows are held out now; infinite without one."""
    best = job.snapshots.best() if job.team.is_first else None
    windows_B = spread(len(job.heldout), job.running.eval_windows)
    is_of_others = best is not None and best.number("heldout_windows") != len(windows_B)
    if not job.team.as_first_says(is_of_others):
        return best.number("heldout_loss") if best else math.inf  # only the first one keeps a best
    weights = deepcopy(job.learner.model.state_dict())
    load(job.learner, job.snapshots.best_folder)
    loss = mean_heldout_loss(job.learner, job.heldout, windows_B, job.team, at_once)
    job.learner.model.load_state_dict(weights)
    return loss


def _meter(job: Job) -> Meter:
    peak = peak_flops(job.team.device, job.recipe.precision)
    job.progress.note(f"MFU is the share of {peak.flops_per_s / 1e12:.3g} TFLOP/s: {peak.source}")
    return Meter(
        tokens_per_window=CHALLENGE.window * CHALLENGE.tokens_per_frame,
        flops_per_window=job.flops_per_window,
        peak=peak,
        devices=job.team.size,
    )


@contextmanager
def _way_on_told(job: Job) -> Iterator[None]:
    """Whoever stops the run hears that the same command goes on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        newest = job.snapshots.newest() if job.team.is_first else None
        where = f"step {newest.step:,}" if newest else "the beginning"
        job.progress.note(f"stopped; the same command goes on from {where}")
        raise
