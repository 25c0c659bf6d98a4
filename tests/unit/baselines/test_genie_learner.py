"""Genie keeps the trainer's contract: sizes, held-out loss, files, and whose fault it is if they are bad."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from baselines.training.learner import Batch
from harness.data.clips import ACTION_WIDTHS, open_clip, write_clip
from harness.errors import CheckpointInvalid, UsageError
from harness.intake.pack import pack

FOLDER = Path(__file__).parents[3] / "baselines" / "genie"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = {"num_layers": 1, "num_heads": 2, "d_model": 16}

needs_torch = pytest.mark.torch


@pytest.fixture
def opened(clip):
    """The clip without actions."""
    return open_clip(clip)


@pytest.fixture(scope="session")
def told_clip(clip, tmp_path_factory):
    """The same clip with actions."""
    folder = tmp_path_factory.mktemp("told")
    blind, rng = open_clip(clip), np.random.default_rng(0)
    write_clip(
        folder,
        tokens_NHW=blind.tokens_NHW,
        segment_ids_N=blind.segment_ids_N,
        actions={
            name: 3 + 2 * rng.normal(size=(blind.num_frames, k)).astype("f4")
            for name, k in ACTION_WIDTHS.items()
        },
        tokenizer_ckpt="none",
    )
    return open_clip(folder)


@pytest.fixture
def config_file(tmp_path):
    """Writes a small config.json; words change it."""

    def write(**words) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(SMALL | words))
        return str(path)

    return write


@pytest.fixture
def make(torch, genie, opened):
    """A learner of this config, from random weights."""

    def made(config: str, *, clip=opened, seed: int = 0):
        torch.manual_seed(seed)
        learner = genie("learner").make(config, torch.device("cpu"), clip=clip)
        with torch.no_grad():
            for parameter in learner.model.parameters():
                parameter.normal_(std=0.2)
        return learner

    return made


@pytest.fixture
def batch(torch, windows_BTHW):
    """Windows and actions as the trainer reads them; words change the actions' width."""

    def read(*, count: int = 6, width: int = 0):
        return Batch(
            tokens_BTHW=torch.from_numpy(windows_BTHW[:count].astype(np.int64)),
            actions_BTSA=torch.randn((count, 16, 15, width), generator=torch.Generator().manual_seed(0)),
        )

    return read


@needs_torch
@pytest.mark.parametrize("width", [0, 28])
def test_the_heldout_loss_is_that_of_full_passes(
    torch, genie, entry_module, make, config_file, told_clip, batch, width
):
    """Six windows: more than are evaluated at once."""
    learner = make(config_file(action_width=width), clip=told_clip)
    assert learner.reads_actions == bool(width)
    held_out = batch(width=width)
    model, config = learner.model.genie, learner.model.genie.config
    found_B = learner.heldout_loss(held_out)
    straightforward = entry_module(BENCHMARKS, "genie_straightforward")
    actions = held_out.actions_BTSA if width else None

    class Told:
        """The model, told the actions."""

        def __init__(self):
            self.config = config

        def __call__(self, tokens_BTHW):
            return model(tokens_BTHW, actions)

    fill, factors = genie("maskgit").fill, genie("model").factors
    with torch.inference_mode():
        _, logits = straightforward.teacher_forced(Told(), fill, held_out.tokens_BTHW, steps=1)
        target = factors(held_out.tokens_BTHW[:, 1:], config)
        expected_B = -logits.log_softmax(-1).gather(-1, target[..., None]).sum((-1, -2)).mean((1, 2, 3))
    torch.testing.assert_close(found_B.float(), expected_B, rtol=1e-5, atol=1e-5)


@needs_torch
def test_evaluating_disturbs_nothing(torch, make, config_file, batch):
    learner = make(config_file())
    learner.model.train()
    state = torch.get_rng_state()
    first, second = learner.heldout_loss(batch(count=1)), learner.heldout_loss(batch(count=1))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert learner.model.training
    assert torch.equal(torch.get_rng_state(), state)


@needs_torch
@pytest.mark.parametrize("config", ["tiny", None])
def test_a_few_steps_lower_both_losses(torch, make, genie, config_file, opened, batch, config):
    """Of a small network from noise, and of the tiny size from counts."""
    learning = genie("learner")
    torch.manual_seed(0)
    learner = learning.make(config or config_file(), torch.device("cpu"), clip=opened)
    windows = batch(count=1)
    groups = learner.parameter_groups(1e-2 if config is None else 1e-3, 0.0)
    optimizer = torch.optim.AdamW(groups)
    before, losses = learner.heldout_loss(windows).mean(), []
    for step in range(8 if config is None else 4):
        part = learner.exercise(windows, torch.Generator().manual_seed(step)).part(0, 1)
        loss, _ = learner.model(*part)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert learner.heldout_loss(windows).mean() < before


@needs_torch
def test_the_tiny_size_starts_where_counts_leave_off(torch, genie, opened, batch):
    torch.manual_seed(0)
    learner = genie("learner").make("tiny", torch.device("cpu"), clip=opened)
    assert learner.heldout_loss(batch(count=2)).mean() < 8  # forty values; noise is at 12.48


@needs_torch
def test_what_is_saved_is_loaded(torch, make, config_file, batch, tmp_path):
    one, other = (make(config_file(), seed=seed) for seed in (0, 1))
    one.save(tmp_path / "saved")
    assert (one.heldout_loss(batch(count=1)) - other.heldout_loss(batch(count=1))).abs() > 1e-3
    other.load(tmp_path / "saved")
    assert torch.equal(one.heldout_loss(batch(count=1)), other.heldout_loss(batch(count=1)))


@needs_torch
@pytest.mark.parametrize(
    ("words", "complaint"), [({"d_model": 32}, "does not fit"), ({"num_layers": 2}, "lacks")]
)
def test_weights_of_another_shape_are_the_operators_matter(make, config_file, tmp_path, words, complaint):
    make(config_file()).save(tmp_path / "saved")
    with pytest.raises(CheckpointInvalid, match=complaint):
        make(config_file(**words)).load(tmp_path / "saved")


@needs_torch
def test_missing_weights_are_the_operators_matter(make, config_file, tmp_path):
    make(config_file()).save(tmp_path / "saved")
    (tmp_path / "saved/model.safetensors").unlink()
    with pytest.raises(CheckpointInvalid, match=r"model\.safetensors is missing"):
        make(config_file()).load(tmp_path / "saved")


@needs_torch
def test_sizes_are_named_the_smallest_first(torch, genie, opened, told_clip):
    learner = genie("learner")
    sizes = genie("sizes").SIZES
    assert learner.CONFIGS[0] == "tiny"
    with torch.device("meta"):
        counts = {
            name: sum(p.numel() for p in genie("model").Genie(size.shape).parameters())
            for name, size in sizes.items()
        }
    assert counts["tiny"] < 5e6  # what the challenge's demo asks of it
    assert counts["35m"] == pytest.approx(35e6, rel=0.25)
    assert counts["138m"] == pytest.approx(138e6, rel=0.25)


@needs_torch
@pytest.mark.parametrize("name", ["35m", "138m"])
def test_the_large_sizes_are_trained_as_published(genie, name):
    recipe = genie("learner").recipe(name)
    assert (recipe.batch, recipe.learning_rate, recipe.warmup_steps) == (64, 5e-4, 1000)
    assert (recipe.beta2, recipe.final_rate, recipe.starts.value) == (0.95, 0.0, "upstream")
    shape = genie("sizes").SIZES[name].shape
    assert (shape.num_layers, shape.num_heads, shape.qk_norm, shape.use_mup) == (32, 8, False, True)
    assert (shape.max_corrupt_rate, shape.non_mlm_ratio) == (0.2, 0.5)
    assert genie("sizes").SIZES[name].ask is genie("exercise").masked


@needs_torch
def test_a_size_nobody_knows_is_a_matter_of_usage(genie):
    with pytest.raises(UsageError, match="no Genie config 'huge'") as caught:
        genie("learner").recipe("huge")
    assert "tiny" in caught.value.fix
    assert caught.value.code == "usage.config"


@needs_torch
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"num_heads": 3}, "d_model 16 is no multiple of num_heads 3"),
        ({"S": 64}, "frames of 64 tokens"),
        ({"T": 12}, "windows of 12 frames"),
        ({"colour": 1}, "keys of no Genie known here: colour"),
    ],
)
def test_a_config_file_that_will_not_do(genie, config_file, words, complaint):
    with pytest.raises(UsageError, match=complaint):
        genie("learner").recipe(config_file(**words))


@needs_torch
def test_actions_are_measured_on_the_training_clip(torch, genie, told_clip, tmp_path):
    learner = genie("learner").make("tiny-actions", torch.device("cpu"), clip=told_clip)
    assert learner.reads_actions
    embed = learner.model.genie.action_embed
    rows_NA = told_clip.actions_at(np.arange(told_clip.num_frames))
    np.testing.assert_allclose(embed.mean_A.numpy(), rows_NA.mean(0), rtol=1e-4)
    np.testing.assert_allclose(embed.std_A.numpy(), rows_NA.std(0), rtol=1e-4)
    learner.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["action_width"] == 28


@needs_torch
def test_a_clip_without_the_actions_is_refused(torch, genie, config_file, opened, told_clip):
    make = genie("learner").make
    with pytest.raises(UsageError, match=r"is to be told the columns of actions; .* has 0"):
        make("tiny-actions", torch.device("cpu"), clip=opened)
    with pytest.raises(UsageError, match=r"is to be told 3 columns of actions; .* has 28"):
        make(config_file(action_width=3), torch.device("cpu"), clip=told_clip)


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports."""
    tree = ast.parse(path.read_text())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


@needs_torch
def test_what_goes_into_the_box_is_whole_and_free_of_the_harness(genie):
    """evaluate.py, what it imports, and so on."""
    here = {path.stem for path in FOLDER.glob("*.py")}
    reached, ahead = set(), {"evaluate"}
    outside: set[str] = set()
    while ahead:
        name = ahead.pop()
        reached.add(name)
        imported = {module.split(".")[0] for module in imports_of(FOLDER / f"{name}.py")}
        outside |= imported - here
        ahead |= (imported & here) - reached
    assert {f"{name}.py" for name in reached} == {
        name for name in genie("learner").ENTRY_FILES if name.endswith(".py")
    }
    assert not outside & {"harness", "baselines"}


@needs_torch
def test_a_trained_learner_is_a_submission(genie, make, config_file, tmp_path):
    entry = tmp_path / "entry"
    make(config_file()).save(entry)
    for name in (*genie("learner").ENTRY_FILES, "wmc.toml"):
        shutil.copy(FOLDER / name, entry)
    assert pack(entry, tmp_path / "out.zip").num_files == len(genie("learner").ENTRY_FILES) + 3
