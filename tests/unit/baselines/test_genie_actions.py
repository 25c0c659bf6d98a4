"""Told the actions: a frame knows what was shown before it, remembering changes nothing, zeros mean nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

pytestmark = pytest.mark.torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
WIDTH = 3

quick = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # modules, which hold nothing
)


@pytest.fixture
def straightforward(torch, entry_module):
    """The evaluator that remembers nothing."""
    return entry_module(BENCHMARKS, "genie_straightforward")


@pytest.fixture
def modules(straightforward, genie):
    """What the tests below need: (straightforward, rollout, fill)."""
    return straightforward, genie("rollout"), genie("maskgit").fill


class Told:
    """A model that is always told the same actions, for an evaluator that knows of none."""

    def __init__(self, model, actions_BTSA):
        self.config, self._model, self._actions = model.config, model, actions_BTSA

    def __call__(self, tokens_BTHW):
        return self._model(tokens_BTHW, self._actions)


def draw(torch, *, batch: int, seed: int):
    """Random windows [B,T,4,4] and actions [B,T,S,A]."""
    dice = torch.Generator().manual_seed(seed)
    tokens_BTHW = torch.randint(2**18, (batch, 16, 4, 4), generator=dice)
    return tokens_BTHW, torch.randn((batch, 16, 15, WIDTH), generator=dice)


def same(found, expected) -> None:
    """Tokens equal and logits within 1e-4."""
    np.testing.assert_array_equal(found[0].numpy(), expected[0].numpy())
    np.testing.assert_allclose(found[1].numpy(), expected[1].numpy(), rtol=0, atol=1e-4)


@quick
@given(
    steps=some.sampled_from([1, 2, 8]),
    batch=some.integers(1, 3),
    seed=some.integers(0, 99),
    qk_norm=some.booleans(),
)
def test_teacher_forced_in_both_cached_ways(torch, modules, make_genie, steps, batch, seed, qk_norm):
    straightforward, rollout, fill = modules
    model = make_genie(seed=seed, qk_norm=qk_norm, action_width=WIDTH)
    tokens_BTHW, actions_BTSA = draw(torch, batch=batch, seed=seed)
    sampling = rollout.Sampling(steps=steps, noise_TKN=rollout.order_noise(model.config, steps, seed=seed))
    with torch.inference_mode():
        expected = straightforward.teacher_forced(
            Told(model, actions_BTSA), fill, tokens_BTHW, steps=steps, noise_TKN=sampling.noise_TKN
        )
        together = rollout.teacher_forced(model, tokens_BTHW, sampling=sampling, actions_BTSA=actions_BTSA)
        same(together, expected)
        shown = rollout.Rollout(model, batch=batch, sampling=sampling)
        for t in range(15):
            shown.show(tokens_BTHW[:, t], actions_BTSA[:, t])
            same(shown.predict(), (expected[0][:, t], expected[1][:, t]))


@quick
@given(batch=some.integers(1, 3), prompt=some.integers(1, 15), seed=some.integers(0, 99))
def test_on_its_own_predictions_with_zeros_after_the_prompt(torch, modules, make_genie, batch, prompt, seed):
    straightforward, rollout, fill = modules
    model = make_genie(seed=seed, action_width=WIDTH)
    tokens_BTHW, actions_BTSA = draw(torch, batch=batch, seed=seed)
    actions_BTSA[:, prompt:] = 0
    sampling = rollout.Sampling(steps=2, noise_TKN=rollout.order_noise(model.config, 2, seed=seed))
    with torch.inference_mode():
        expected, logits = straightforward.autoregressive(
            Told(model, actions_BTSA), fill, tokens_BTHW[:, :prompt], steps=2, noise_TKN=sampling.noise_TKN
        )
        shown = rollout.Rollout(model, batch=batch, sampling=sampling)
        for t in range(prompt):
            shown.show(tokens_BTHW[:, t], actions_BTSA[:, t])
        for t in range(16 - prompt):
            found = shown.predict()
            same(found, (expected[:, t], logits[:, t]))
            shown.show(found[0], actions_BTSA[:, prompt + t])


def test_a_frame_knows_the_block_before_it_but_not_its_own(torch, make_genie):
    model = make_genie(action_width=WIDTH)
    tokens_BTHW, actions_BTSA = draw(torch, batch=1, seed=0)
    changed_BTSA = actions_BTSA.clone()
    changed_BTSA[:, 6] += 1
    with torch.inference_mode():
        before, after = model(tokens_BTHW, actions_BTSA), model(tokens_BTHW, changed_BTSA)
    torch.testing.assert_close(after[:, :7], before[:, :7], rtol=0, atol=0)
    assert (after[:, 7] - before[:, 7]).abs().max() > 1e-2


def test_zeros_are_as_good_as_no_actions(torch, make_genie):
    model = make_genie(action_width=WIDTH)
    model.action_embed.mean_A.fill_(2.0)  # so that zeros would be something, if they were taken as they are
    tokens_BTHW, actions_BTSA = draw(torch, batch=1, seed=0)
    with torch.inference_mode():
        blind = model(tokens_BTHW)
        torch.testing.assert_close(model(tokens_BTHW, torch.zeros_like(actions_BTSA)), blind)
        assert (model(tokens_BTHW, actions_BTSA) - blind).abs().max() > 1e-2


def test_a_new_model_is_not_yet_moved_by_them(torch, genie):
    config = genie("config").GenieConfig(num_layers=1, num_heads=2, d_model=16, S=16, action_width=WIDTH)
    model = genie("model").Genie(config)
    tokens_BTHW, actions_BTSA = draw(torch, batch=1, seed=0)
    torch.testing.assert_close(model(tokens_BTHW, actions_BTSA), model(tokens_BTHW))
    model(tokens_BTHW, actions_BTSA).square().mean().backward()
    assert model.action_embed.proj.weight.grad.any()


def test_columns_are_brought_to_one_scale_and_outliers_in(torch, genie):
    config = genie("config").GenieConfig(num_layers=1, num_heads=1, d_model=4, S=16, action_width=2)
    embed = genie("actions").ActionEmbedding(config)
    rows_XA = torch.tensor([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]])
    embed.measure(rows_XA)
    assert embed.mean_A.tolist() == [3.0, 7.0]
    assert embed.std_A.tolist() == pytest.approx([(8 / 3) ** 0.5, 1e-3])
    with torch.no_grad():
        embed.proj.weight.zero_()
        embed.proj.weight[0, 0] = 1  # the first row's first column
    blocks_BTSA = torch.full((1, 2, 15, 2), 7.0)
    blocks_BTSA[0, 0, 0, 0], blocks_BTSA[0, 1, 0, 0] = 5.0, 1e6
    assert embed(blocks_BTSA)[0, :, 0].tolist() == pytest.approx([2 / (8 / 3) ** 0.5, 5.0])


def test_a_checkpoint_keeps_the_statistics_and_names_the_width(torch, genie, make_genie, tmp_path):
    checkpoint = genie("checkpoint")
    model = make_genie(action_width=WIDTH)
    model.action_embed.measure(torch.randn(9, WIDTH))
    checkpoint.save(model, tmp_path / "told")
    checkpoint.save(make_genie(), tmp_path / "blind")
    assert json.loads((tmp_path / "told/config.json").read_text())["action_width"] == WIDTH
    assert "action_width" not in json.loads((tmp_path / "blind/config.json").read_text())
    found = checkpoint.load(tmp_path / "told")
    torch.testing.assert_close(found.action_embed.mean_A, model.action_embed.mean_A)
    torch.testing.assert_close(found.action_embed.std_A, model.action_embed.std_A)
    names = {name for name in model.state_dict() if name.startswith("action_embed.")}
    assert model.state_dict().keys() - make_genie().state_dict().keys() == names


def test_a_width_below_nothing_is_refused(genie):
    with pytest.raises(genie("config").CheckpointError, match="action_width is -1"):
        genie("config").GenieConfig(num_layers=1, num_heads=1, d_model=4, action_width=-1)


@pytest.fixture
def predictor(genie, make_genie, tmp_path):
    """One that is told actions."""
    genie("checkpoint").save(make_genie(S=256, action_width=WIDTH), tmp_path / "checkpoint")
    return genie("predictor").Predictor(tmp_path / "checkpoint", device="cpu", steps=1)


def test_the_predictor_hands_them_on(torch, genie, predictor, windows_BTHW, tmp_path):
    actions_BTSA = np.random.default_rng(0).normal(size=(2, 3, 15, WIDTH)).astype(np.float32)
    predictor.reset(2)
    found = []
    for t in range(2):
        predictor.observe(windows_BTHW[:2, t], actions_BTSA[:, t])
        found.append(predictor.predict()[0])
    model = genie("checkpoint").load(tmp_path / "checkpoint")
    with torch.inference_mode():
        expected = genie("rollout").first_logits(
            model,
            torch.from_numpy(windows_BTHW[:2, :3].astype(np.int64)),
            actions_BTSA=torch.from_numpy(actions_BTSA),
        )
    np.testing.assert_allclose(np.stack(found, 1), expected.numpy(), rtol=0, atol=1e-4)


def test_other_actions_than_it_knows_are_refused(predictor, windows_BTHW):
    predictor.reset(1)
    with pytest.raises(RuntimeError, match=r"the actions are \[15, 28\] a frame; this Genie knows \[15, 3\]"):
        predictor.observe(windows_BTHW[:1, 0], np.zeros((1, 15, 28), np.float32))
