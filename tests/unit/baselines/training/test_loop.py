"""The loop with a linear learner, whose optimum is known: it gets there, and nothing that stops it shows."""

from __future__ import annotations

import json
import shutil

import pytest

from harness.errors import CheckpointInvalid, OutputFailed, TrainingFailed

pytestmark = pytest.mark.torch
CLOCK = {"windows_per_s", "tokens_per_s", "mfu"}


class Killed(BaseException):
    """What ends a process between two instructions."""


@pytest.fixture
def train(training):
    return training("loop").train


def metrics(job):
    """The lines of metrics, but for what a clock says."""
    lines = (job.running.out / "metrics.jsonl").read_text().splitlines()
    return [{name: v for name, v in json.loads(line).items() if name not in CLOCK} for line in lines]


def weights(job):
    return job.learner.model.weights.detach().tolist()


def killed_at(passes, error=Killed):
    def before_part(number):
        if number == passes:
            raise error

    return before_part


def test_it_finds_the_optimum(train, make_job) -> None:
    job = make_job(steps=200, learning_rate=0.2, eval_every=50, save_every=100)
    train(job)
    assert weights(job) == pytest.approx([0.5, -1.0, 2.0], abs=0.02)
    last = [line for line in metrics(job) if "heldout_loss" in line][-1]
    assert last["heldout_loss"] < 1e-4


def test_lines_are_written_when_they_are_due_and_mean_over_the_steps_between(train, make_job) -> None:
    fine, coarse = make_job(log_every=1), make_job(log_every=5, out=make_job().running.out / "coarse")
    train(fine)
    train(coarse)
    every = {line["step"]: line["loss"] for line in metrics(fine) if "loss" in line}
    some = {line["step"]: line["loss"] for line in metrics(coarse) if "loss" in line}
    assert list(every) == list(range(1, 13))
    assert list(some) == [5, 10, 12]
    assert some[10] == pytest.approx(sum(every[step] for step in range(6, 11)) / 5)
    assert some[12] == pytest.approx((every[11] + every[12]) / 2)
    assert [line["step"] for line in metrics(fine) if "heldout_loss" in line] == [4, 8, 12]


@pytest.mark.parametrize("passes", range(12))
def test_a_run_that_was_killed_gives_the_same_numbers_as_one_that_was_not(
    train, make_job, make_learner, tmp_path, passes
) -> None:
    undisturbed = make_job(out=tmp_path / "undisturbed")
    train(undisturbed)
    with pytest.raises(Killed):
        train(make_job(make_learner(killed_at(passes))))
    resumed = make_job()
    train(resumed)
    assert metrics(resumed) == metrics(undisturbed)
    assert weights(resumed) == weights(undisturbed)
    assert resumed.snapshots.best().state == undisturbed.snapshots.best().state


@pytest.mark.parametrize("due", [1, 2, 3, 4, 5, 6, 7])
def test_neither_does_a_kill_while_something_is_written(train, make_job, make_learner, tmp_path, due) -> None:
    """The model is saved for every checkpoint and every best: the process dies at the `due`-th of these."""
    undisturbed = make_job(out=tmp_path / "undisturbed")
    train(undisturbed)
    learner = make_learner()
    save, saved = learner.save, []

    def die(folder):
        saved.append(folder)
        if len(saved) == due:
            (folder / "model.safetensors").write_bytes(b"ha")
            raise Killed
        save(folder)

    learner.save = die
    with pytest.raises(Killed):
        train(make_job(learner))
    resumed = make_job()
    train(resumed)
    assert metrics(resumed) == metrics(undisturbed)
    assert resumed.snapshots.best().state == undisturbed.snapshots.best().state
    assert not list(resumed.running.out.rglob("*.unfinished*")) + list(
        resumed.running.out.rglob(".unfinished*")
    )


def test_a_finished_run_does_nothing(train, make_job, make_learner) -> None:
    train(make_job())
    train(make_job(make_learner(killed_at(0))))


def test_the_best_is_the_one_with_the_lowest_held_out_loss(train, make_job, torch) -> None:
    """The learner is better in the middle of the run than at its end."""
    job = make_job(eval_windows=4)  # one batch of them
    losses = iter([3.0, 1.0, 2.0])
    job.learner.heldout_loss = lambda batch: torch.full((len(batch.tokens_BTHW),), next(losses))
    train(job)
    best = job.snapshots.best()
    assert (best.step, best.state["heldout_loss"]) == (8, 1.0)
    assert job.snapshots.newest().step == 12


def test_a_best_is_compared_on_the_same_windows(train, make_job, make_learner) -> None:
    """Another number of held-out windows after a resumption: the best is held out again on those."""
    with pytest.raises(Killed):
        train(make_job(make_learner(killed_at(9)), eval_windows=2))
    assert make_job().snapshots.best().state["heldout_windows"] == 2
    loss_2 = make_job().snapshots.best().state["heldout_loss"]
    learner = make_learner()
    tried = []
    held_out = learner.heldout_loss
    learner.heldout_loss = lambda batch: tried.append(len(batch.tokens_BTHW)) or held_out(batch)
    resumed = make_job(learner, eval_windows=5)
    train(resumed)
    assert sum(tried) == 5 * 2  # the old best, and after step 12
    assert resumed.snapshots.best().state["heldout_windows"] == 5
    assert resumed.snapshots.best().state["heldout_loss"] != loss_2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_whoever_stops_it_hears_how_to_go_on(train, make_job, make_learner, kind) -> None:
    told = []
    job = make_job(make_learner(killed_at(10, kind)))
    object.__setattr__(job, "progress", Listener(told))
    with pytest.raises(kind):
        train(job)
    assert told[-1] == "stopped; the same command goes on from step 9"
    again = make_job()
    object.__setattr__(again, "progress", Listener(told))
    train(again)
    assert any(text.startswith("going on from step 9 of 12") for text in told)


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_run_that_runs_away_is_stopped_at_its_step(train, make_job, make_learner, torch, number) -> None:
    learner = make_learner()

    def poison(passes):
        if passes == number - 1:
            with torch.no_grad():
                learner.model.weights[0] = float("nan")

    learner.model.before_part = poison
    with pytest.raises(TrainingFailed, match=f"the loss of step {number} is nan") as caught:
        train(make_job(learner))
    assert caught.value.code == "training.not_finite"
    newest = make_job().snapshots.newest()
    assert (newest.step if newest else 0) < number


def test_too_little_memory_names_the_flag_that_helps(train, make_job, make_learner, torch) -> None:
    for error, per_pass, word in (
        (torch.OutOfMemoryError("CUDA out of memory."), None, "--windows-per-pass 2"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            2,
            "--windows-per-pass 1",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), 1, "--config"),
    ):
        with pytest.raises(TrainingFailed) as caught:
            train(make_job(make_learner(killed_at(0, error)), windows_per_pass=per_pass))
        assert caught.value.code == "training.out_of_memory"
        assert word in caught.value.fix


def test_other_errors_are_not_taken_for_too_little_memory(train, make_job, make_learner) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        train(make_job(make_learner(killed_at(0, RuntimeError("shapes")))))


def test_a_learner_that_cannot_be_saved_stops_the_run(train, make_job) -> None:
    job = make_job()

    def save(folder):
        raise OSError(28, "No space left on device")

    job.learner.save = save
    with pytest.raises(OutputFailed, match="No space left"):
        train(job)


def test_a_damaged_checkpoint_is_not_passed_over_in_silence(train, make_job) -> None:
    train(make_job(steps=6))
    newest = make_job().snapshots.newest()
    (newest.folder / "optimizer.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointInvalid, match="optimizer"):
        train(make_job())


def test_a_run_without_checkpoints_begins_anew_and_keeps_the_best(
    train, make_job, make_learner, torch
) -> None:
    """The steps are taken from the first weights, though the best is held out on other windows before."""
    undisturbed = make_job()
    train(undisturbed)
    best = undisturbed.snapshots.best()
    expected, losses = weights(undisturbed), metrics(undisturbed)
    shutil.rmtree(undisturbed.running.out / "checkpoints")
    train(make_job())
    assert metrics(make_job()) == losses
    assert make_job().snapshots.best().state == best.state

    shutil.rmtree(undisturbed.running.out / "checkpoints")
    learner = make_learner()
    right = learner.heldout_loss
    # Never again so good as before the first step.
    learner.heldout_loss = lambda batch: right(batch) + (1 if learner.model.passes else 0)
    again = make_job(learner, eval_windows=5)
    train(again)
    assert weights(again) == expected
    assert again.snapshots.best().state == best.state


@pytest.mark.parametrize("key", ["unlogged", "step"])
def test_a_state_that_another_program_wrote_is_no_bug(train, make_job, key) -> None:
    train(make_job(steps=6))
    path = make_job().snapshots.newest().folder / "state.json"
    state = json.loads(path.read_text())
    del state[key]
    path.write_text(json.dumps(state))
    with pytest.raises(CheckpointInvalid, match=key):
        train(make_job())


def test_neither_is_a_best_without_its_loss(train, make_job, make_learner) -> None:
    with pytest.raises(Killed):
        train(make_job(make_learner(killed_at(9))))
    path = make_job().snapshots.best_folder / "state.json"
    path.write_text(json.dumps({"step": 4}))
    with pytest.raises(CheckpointInvalid, match="heldout_windows"):
        train(make_job())


class Listener:
    """Keeps what it is told."""

    def __init__(self, told):
        self.note = told.append

    def step(self, title, *, total=None):
        from harness.progress import Silent

        return Silent().step(title, total=total)
