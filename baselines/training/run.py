"""One command's worth of training: open the data, make the learner, train it, hold out everything, export."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open

from baselines.folders import entry_modules
from baselines.training import identity, result
from baselines.training.batches import Windows, heldout_starts, training_starts
from baselines.training.distributed import Team, joined
from baselines.training.export import check_checkpoint, check_free, export
from baselines.training.failures import out_of_memory_explained
from baselines.training.flops import flops_per_window
from baselines.training.heldout import LARGEST_BATCH, mean_heldout_loss
from baselines.training.learner import Baseline
from baselines.training.loop import Job, load, train
from baselines.training.recipe import Recipe, Running
from baselines.training.result import Result
from baselines.training.snapshots import Snapshot
from baselines.training.sole import alone_in
from harness.data.clips import Clip, open_clip
from harness.data.published import PUBLIC_VAL
from harness.errors import UsageError
from harness.intake import required
from harness.progress import Progress, Silent
from harness.protocol.regimes import Regime

_ENTRIES = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for.

    Attributes:
        baseline: the folder of an entry that has a `learner`.
        config: a size's name or a file; None for the baseline's first.
        train, val: clips.
        changes: fields of the config's recipe that are to be different.
        threads: of torch on the CPU; None for what it takes by itself.
        export: where the best checkpoint goes as a submission.
    """

    baseline: str
    config: str | None
    train: Path
    val: Path
    changes: Mapping[str, Any]
    running: Running
    threads: int | None = None
    export: Path | None = None


def train_baseline(request: Request, progress: Progress) -> Result | None:
    """Train, or go on training, or find that all is done; then export if that is wanted.

    Gives the result at the first process, which speaks for all; None at the others.

    Raises: UsageError, DataInvalid, TrainingFailed, CheckpointInvalid, OutputFailed, DependencyMissing.
    """
    if request.threads:
        torch.set_num_threads(request.threads)
    if request.export:
        check_free(request.export)
    with entry_modules(request.baseline), joined(request.running.device) as team:
        baseline = cast("Baseline", importlib.import_module("learner"))
        config = request.config or baseline.CONFIGS[0]
        recipe = recipe_of(baseline.recipe(config), request.changes)
        team.share(recipe.batch)
        run = _Run(
            name=request.baseline,
            baseline=baseline,
            config=config,
            recipe=recipe,
            clips=(open_clip(request.train), open_clip(request.val)),
            running=request.running,
            team=team,
            progress=progress if team.is_first else Silent(),
        )
        run_is = _identity(run)
        identity.check_folder(request.running.out)
        with alone_in(request.running.out) if team.is_first else nullcontext():
            found = _result(run, run_is)
            if request.export and found:
                _export(run, request.export, found)
    return found


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A request whose parts have been opened.

    Attributes:
        name: of the baseline's folder.
        baseline: its `learner`.
        clips: to train on, and held out.
    """

    name: str
    baseline: Baseline
    config: str
    recipe: Recipe
    clips: tuple[Clip, Clip]
    running: Running
    team: Team
    progress: Progress


def _identity(run: _Run) -> dict[str, Any]:
    """All that decides the run's numbers. Raises: UsageError, if it is held out on what it learns from."""
    train_clip, val_clip = run.clips
    run_is = identity.identity(
        baseline=run.name,
        config=run.config if run.config in run.baseline.CONFIGS else identity.content_of(Path(run.config)),
        recipe=run.recipe,
        train=train_clip,
        val=val_clip,
    )
    if run_is["train"] == run_is["val"]:
        raise UsageError(
            f"{train_clip.folder} and {val_clip.folder} are the same clip",
            code="usage.same_clip",
            fix="name another --val: what was learned by heart says nothing",
        )
    return run_is


def _result(run: _Run, run_is: Mapping[str, Any]) -> Result | None:
    """What the run came to, once it has; None at all processes but the first."""
    out = run.running.out
    if run.team.is_first:
        identity.check(out, run_is)
    found = result.read(out) if run.team.is_first else None
    if run.team.as_first_says(found is not None):
        run.progress.note(f"all {run.recipe.steps:,} steps are done: {out}")
        return found
    job = _prepared(run)
    if run.team.is_first:
        identity.write(out, run_is)
    train(job)
    return _concluded(job)


def recipe_of(preset: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The preset with these changes; fewer steps have a shorter warm-up, unless it is given. Raises: UsageError."""
    recipe = replace(preset, **changes)
    if "warmup_steps" not in changes:
        recipe = replace(recipe, warmup_steps=min(recipe.warmup_steps, recipe.steps // 10))
    if recipe.warmup_steps >= recipe.steps:
        raise UsageError(
            f"a warm-up of {recipe.warmup_steps} steps does not end before {recipe.steps} steps do",
            code="usage.warmup",
            fix="use fewer --warmup-steps or more --steps",
        )
    return recipe


def _prepared(run: _Run) -> Job:
    """The learner with fresh weights and all that it needs."""
    recipe, team, (train_clip, val_clip) = run.recipe, run.team, run.clips
    train_starts_W, heldout_starts_W = training_starts(train_clip, recipe.starts), heldout_starts(val_clip)
    torch.manual_seed(recipe.seed)
    with out_of_memory_explained(1):
        learner = run.baseline.make(run.config, team.device, clip=train_clip)
        with_actions = learner.reads_actions
        windows = Windows(clip=train_clip, starts_W=train_starts_W, with_actions=with_actions)
        one = windows.read(np.arange(1)).to(team.device)
        flops = flops_per_window(learner, one)  # before it is distributed, which hooks into its gradients
    parameters = sum(parameter.numel() for parameter in learner.model.parameters())
    run.progress.note(
        f"{parameters:,} parameters, {len(windows):,} windows, {flops / 1e12:.3g} TFLOP a window, "
        f"{recipe.steps:,} steps of {recipe.batch} windows"
    )
    return Job(
        learner=learner,
        recipe=recipe,
        running=run.running,
        team=team,
        train=windows,
        heldout=Windows(clip=val_clip, starts_W=heldout_starts_W, with_actions=with_actions),
        progress=run.progress,
        flops_per_window=flops,
    )


def _concluded(job: Job) -> Result | None:
    """The best checkpoint's loss over all held-out windows, written down: with that the run is finished."""
    best = job.snapshots.best() if job.team.is_first else None
    if job.team.is_first and best is None:
        best = _last_as_best(job)
    every_B = np.arange(len(job.heldout))
    if job.team.as_first_says(best is not None and best.number("heldout_windows") == len(every_B)):
        loss = best.number("heldout_loss") if best else math.nan
    else:
        load(job.learner, job.snapshots.best_folder)
        at_once = min(job.running.windows_per_pass or LARGEST_BATCH, LARGEST_BATCH)
        with out_of_memory_explained(at_once):
            loss = mean_heldout_loss(job.learner, job.heldout, every_B, job.team, at_once, job.progress)
    if best is None:
        return None
    came_to = Result(
        steps=job.recipe.steps,
        best_step=best.step,
        heldout_loss=loss,
        heldout_windows=len(every_B),
        heldout_regime=job.learner.heldout_regime,
        training_flops=job.flops_per_window * job.recipe.batch * job.recipe.steps,
    )
    result.write(job.running.out, came_to)
    return came_to


def _last_as_best(job: Job) -> Snapshot | None:
    """The last checkpoint takes the place of a best that was removed; it is yet to be held out."""
    last = job.snapshots.newest()
    if last is None:
        return None
    load(job.learner, last.folder)
    job.snapshots.set_best(last.step, job.learner.save, heldout_windows=0)
    job.progress.note(f"the best checkpoint is gone; the last one takes its place: step {last.step:,}")
    return job.snapshots.best()


def _export(run: _Run, folder: Path, found: Result) -> None:
    """The best checkpoint as a submission, which declares what is known of it and no more."""
    size = run.config if run.config in run.baseline.CONFIGS else "of its own size"
    train_name, val_name = (clip.folder.resolve().name for clip in run.clips)
    is_graded_so = found.heldout_regime == Regime.TEMPORALLY_TEACHER_FORCED.in_words
    best = run.running.out / "best"
    check_checkpoint(best)
    export(
        _ENTRIES / run.name,
        run.baseline.ENTRY_FILES,
        best,
        folder,
        training_flops=found.training_flops,
        parameters=_parameters(best / "model.safetensors"),
        description=f"{run.name} {size}, {run.baseline.origin(run.config)}, step {found.best_step:,} of "
        f"{run.recipe.steps:,} with {run.recipe.batch} windows each of {train_name}, the best on {val_name}",
        claimed_val_loss=found.heldout_loss if is_graded_so and val_name in PUBLIC_VAL else None,
    )
    run.progress.note(f"exported: {folder}")
    run.progress.note(
        f"{folder / required.MANIFEST} is still ours in part; before you submit, write who you are (user_name, email), "
        "what it is (entry_name, description) and what else it has learned from (external_data), and read what you "
        "would attest (rules_accepted, eligibility_attested)"
    )


def _parameters(weights: Path) -> int:
    """How many numbers the file holds."""
    with safe_open(weights, framework="pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no mapping
