"""The causal language model in training: it starts from n-grams, its parts add up, and what it saves is what it was."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import open_clip, write_clip
from harness.errors import CheckpointInvalid, UsageError
from harness.protocol.regimes import Regime

pytestmark = pytest.mark.torch

UNIFORM = 2 * math.log(512)


@pytest.fixture
def module(causal_lm):
    """learner.py."""
    return causal_lm("learner")


@pytest.fixture
def config_file(causal_lm, tmp_path) -> str:
    """The challenge's windows, a small model."""
    config = causal_lm("config").CausalConfig(num_layers=1, num_heads=2, d_model=16)
    (tmp_path / "config.json").write_text(config.to_json())
    return str(tmp_path / "config.json")


@pytest.fixture
def learner(torch, module, causal_lm, config_file):
    """Random weights, so that nothing is zero by chance."""
    model = causal_lm("model").CausalLM(causal_lm("config").read_config(Path(config_file)))
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3, generator=dice)
    return module.CausalLearner(model)


@pytest.fixture
def batch(torch, module, windows_BTHW):
    """Three windows of the synthetic clip."""
    tokens_BTHW = torch.from_numpy(windows_BTHW[:3].astype(np.int64))
    return module.Batch(tokens_BTHW=tokens_BTHW, actions_BTSA=torch.zeros(3, 16, 15, 0))


def weights(learner) -> dict:
    return {name: tensor.clone() for name, tensor in learner._lm.state_dict().items()}


def test_it_is_held_out_in_the_regime_it_is_trained_for(learner):
    assert learner.heldout_regime == Regime.FULLY_TEACHER_FORCED.in_words
    assert not learner.reads_actions


def test_weights_that_have_seen_nothing_lose_what_a_uniform_guess_loses(torch, module, causal_lm, batch):
    config = causal_lm("config").CausalConfig(num_layers=1, num_heads=2, d_model=16)
    fresh = module.CausalLearner(causal_lm("model").CausalLM(config))
    np.testing.assert_allclose(fresh.heldout_loss(batch).numpy(), UNIFORM, rtol=1e-5)


def test_parts_add_up_to_the_whole_in_loss_accuracy_and_gradient(torch, learner, batch):
    exercise = learner.exercise(batch, torch.Generator())

    def learned(cuts):
        learner.model.zero_grad()
        shares = [learner.model(*exercise.part(*cut)) for cut in cuts]
        loss = sum(share for share, _ in shares)
        loss.backward()
        gradients = [p.grad.clone() for p in learner._lm.parameters()]
        return loss.item(), sum(right.item() for _, right in shares), gradients

    loss, accuracy, gradients = learned([(0, 3)])
    for cuts in ([(0, 1), (1, 3)], [(0, 1), (1, 2), (2, 3)]):
        other_loss, other_accuracy, others = learned(cuts)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        assert other_accuracy == pytest.approx(accuracy, rel=1e-5)
        for one, other in zip(gradients, others, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_the_loss_learned_from_is_the_mean_of_the_held_out_ones(torch, learner, batch):
    loss, accuracy = learner.model(*learner.exercise(batch, torch.Generator()).part(0, 3))
    assert loss.item() == pytest.approx(learner.heldout_loss(batch).mean().item(), rel=1e-5)
    logits = learner._lm(batch.tokens_BTHW.flatten(1)).argmax(-1)
    guessed = logits[..., 0] + 512 * logits[..., 1]
    assert accuracy.item() == pytest.approx(
        (guessed == batch.tokens_BTHW[:, 1:].flatten(1)).double().mean().item(), abs=1e-6
    )


def test_it_learns_in_bfloat16_too_and_the_loss_is_float32(torch, learner, batch):
    part = learner.exercise(batch, torch.Generator()).part(0, 3)
    exact, _ = learner.model(*part)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse, _ = learner.model(*part)
    assert coarse.dtype == torch.float32
    assert coarse.item() != exact.item()
    assert coarse.item() == pytest.approx(exact.item(), abs=0.05)


def test_matrices_decay_and_nothing_else_does(learner):
    matrices, others = learner.parameter_groups(1e-3, 0.1)
    assert (matrices["lr"], matrices["weight_decay"], others["weight_decay"]) == (1e-3, 0.1, 0.0)
    names = {id(p): name for name, p in learner._lm.named_parameters()}
    found = sorted(names.pop(id(p)) for p in matrices["params"])
    assert found == [
        "blocks.0.attention.proj.weight",
        "blocks.0.attention.qkv.weight",
        "blocks.0.narrow.weight",
        "blocks.0.widen.weight",
        "heads.weight",
    ]
    assert sorted(names) == sorted(id(p) for p in others["params"])


def test_it_begins_with_the_n_grams_of_the_clip(torch, module, config_file, clip, batch):
    """Better than counts by position, which know nothing of the neighbours that the synthetic clip repeats."""
    learner = module.make(config_file, torch.device("cpu"), clip=open_clip(clip))
    loss = learner.heldout_loss(batch).mean().item()
    tokens_NHW = np.fromfile(clip / "video.bin", "<u4").reshape(-1, 256)
    by_cell = 0.0
    for factor in (tokens_NHW % 512, tokens_NHW // 512):
        for cell in range(256):
            share_V = np.bincount(factor[:, cell], minlength=512) / len(factor)
            by_cell -= (share_V[share_V > 0] * np.log(share_V[share_V > 0])).sum() / 256
    assert loss < by_cell - 0.3


def test_it_begins_the_same_each_time(torch, module, config_file, clip):
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(weights(module.make(config_file, torch.device("cpu"), clip=open_clip(clip))))
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_a_few_steps_make_it_better(torch, module, config_file, clip, batch):
    torch.manual_seed(0)
    learner = module.make(config_file, torch.device("cpu"), clip=open_clip(clip))
    optimizer = torch.optim.AdamW(learner.parameter_groups(3e-3, 0.1))
    before = learner.heldout_loss(batch).mean()
    for _ in range(5):
        loss, _ = learner.model(*learner.exercise(batch, torch.Generator()).part(0, 3))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert learner.heldout_loss(batch).mean() < before - 0.1


def test_a_clip_too_short_to_count_leaves_weights_that_know_nothing(
    torch, module, config_file, tmp_path, batch
):
    write_clip(
        tmp_path / "short",
        tokens_NHW=np.zeros((10, 16, 16), np.uint32),
        segment_ids_N=np.zeros(10, np.int32),
        actions={},
        tokenizer_ckpt="none",
    )
    learner = module.make(config_file, torch.device("cpu"), clip=open_clip(tmp_path / "short"))
    np.testing.assert_allclose(learner.heldout_loss(batch).numpy(), UNIFORM, rtol=1e-5)


def test_what_is_saved_is_what_it_was(torch, learner, module, config_file, clip, tmp_path):
    learner.save(tmp_path / "saved")
    other = module.make(config_file, torch.device("cpu"), clip=open_clip(clip))
    other.load(tmp_path / "saved")
    before, after = weights(learner), weights(other)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_of_another_shape_are_the_operators_to_mend(learner, module, causal_lm, tmp_path):
    other = causal_lm("config").CausalConfig(num_layers=2, num_heads=2, d_model=16)
    module.CausalLearner(causal_lm("model").CausalLM(other)).save(tmp_path / "other")
    with pytest.raises(CheckpointInvalid, match=r"of no use to this config, blocks\.1"):
        learner.load(tmp_path / "other")


def test_named_sizes_have_recipes_and_are_of_the_challenges_windows(module, causal_lm):
    assert {"tiny", "small"} <= set(module.CONFIGS)
    for name in module.CONFIGS:
        causal_lm("config").check_challenge(module._shape(name))
        assert module.recipe(name).steps > module.recipe(name).warmup_steps


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(None, "no causal-lm config"), ("{", "is not JSON"), ('{"frames": 8}', "lacks num_layers")],
)
def test_a_config_that_is_none_is_a_mistake_of_the_call(torch, module, clip, tmp_path, text, complaint):
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=complaint):
        module.make(str(path), torch.device("cpu"), clip=open_clip(clip))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"num_layers": "three"}, "num_layers is 'three', not a positive whole number"),
        ({"num_heads": True}, "num_heads is True, not a positive whole number"),
        ({"num_heads": 3}, "d_model 16 is no multiple of 8 times num_heads 3"),
        ({"mlp_ratio": 0}, "mlp_ratio is 0, not a positive number"),
        ({"mlp_ratio": 0.01}, "config.json: mlp_ratio is 0.01: of a d_model of 16 it leaves nothing"),
        ({"neighbours": [2]}, r"neighbours is \(2,\), not positive whole numbers with 1 among them"),
        ({"neighbours": 1}, "neighbours is 1, not positive whole numbers"),
        ({"neighbours": [1, 1]}, "one is named twice"),
        ({"frames": 1}, "nothing is left to predict"),
        ({"frames": 8}, "the checkpoint is for 8 frames of 16x16 tokens in base 512"),
        ({"depth": 3}, "keys that no causal_lm has: depth"),
    ],
)
def test_a_config_that_cannot_be_right(torch, module, config_file, clip, words, complaint):
    values = json.loads(Path(config_file).read_text()) | words
    Path(config_file).write_text(json.dumps(values))
    with pytest.raises(UsageError, match=complaint) as caught:
        module.make(config_file, torch.device("cpu"), clip=open_clip(clip))
    assert caught.value.fix
