"""Remembering the past changes no number: both cached ways equal passes over whole windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

pytestmark = pytest.mark.torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TOLERANCE = 1e-4
SHAPES = {"qk_norm": some.booleans(), "use_mup": some.booleans(), "qkv_bias": some.booleans()}

quick = settings(
    max_examples=12,
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


def windows(torch, *, batch: int, seed: int, side: int = 4):
    """Random windows [B,T,H,W]."""
    return torch.randint(2**18, (batch, 16, side, side), generator=torch.Generator().manual_seed(seed))


def same(found, expected) -> None:
    """Tokens equal and logits within 1e-4."""
    np.testing.assert_array_equal(found[0].numpy(), expected[0].numpy())
    np.testing.assert_allclose(found[1].numpy(), expected[1].numpy(), rtol=0, atol=TOLERANCE)


@quick
@given(
    steps=some.sampled_from([1, 2, 8]),
    batch=some.integers(1, 3),
    seed=some.integers(0, 99),
    is_random=some.booleans(),
    shape=some.fixed_dictionaries(SHAPES),
)
def test_teacher_forced_in_both_cached_ways(torch, modules, make_genie, steps, batch, seed, is_random, shape):
    straightforward, rollout, fill = modules
    model = make_genie(seed=seed, **shape)
    tokens_BTHW = windows(torch, batch=batch, seed=seed)
    noise_TKN = rollout.order_noise(model.config, steps, seed=seed) if is_random else None
    sampling = rollout.Sampling(steps=steps, noise_TKN=noise_TKN)
    with torch.inference_mode():
        expected = straightforward.teacher_forced(model, fill, tokens_BTHW, steps=steps, noise_TKN=noise_TKN)
        same(rollout.teacher_forced(model, tokens_BTHW, sampling=sampling), expected)
        shown = rollout.Rollout(model, batch=batch, sampling=sampling)
        for t in range(15):
            shown.show(tokens_BTHW[:, t])
            same(shown.predict(), (expected[0][:, t], expected[1][:, t]))


@quick
@given(
    steps=some.sampled_from([1, 2, 8]),
    batch=some.integers(1, 3),
    prompt=some.integers(1, 15),
    seed=some.integers(0, 99),
    shape=some.fixed_dictionaries(SHAPES),
)
def test_on_its_own_predictions(torch, modules, make_genie, steps, batch, prompt, seed, shape):
    straightforward, rollout, fill = modules
    model = make_genie(seed=seed, **shape)
    prompt_BTHW = windows(torch, batch=batch, seed=seed)[:, :prompt]
    sampling = rollout.Sampling(steps=steps, noise_TKN=rollout.order_noise(model.config, steps, seed=seed))
    with torch.inference_mode():
        tokens_BTHW, logits = straightforward.autoregressive(
            model, fill, prompt_BTHW, steps=steps, noise_TKN=sampling.noise_TKN
        )
        shown = rollout.Rollout(model, batch=batch, sampling=sampling)
        for t in range(prompt):
            shown.show(prompt_BTHW[:, t])
        for t in range(16 - prompt):
            found = shown.predict()
            same(found, (tokens_BTHW[:, t], logits[:, t]))
            shown.show(found[0])


def test_a_cleared_rollout_has_forgotten(torch, genie, make_genie):
    rollout = genie("rollout")
    model = make_genie()
    shown = rollout.Rollout(model, batch=2, sampling=rollout.Sampling(steps=2))
    with torch.inference_mode():
        predictions = []
        for seed in (1, 2, 1):
            shown.clear()
            for frame_BHW in windows(torch, batch=2, seed=seed)[:, :5].unbind(1):
                shown.show(frame_BHW)
            predictions.append(shown.predict())
    same(predictions[2], predictions[0])
    assert not torch.equal(predictions[1][1], predictions[0][1])


def test_predicting_twice_gives_the_same_and_disturbs_nothing(torch, genie, make_genie):
    rollout = genie("rollout")
    model = make_genie()
    tokens_BTHW = windows(torch, batch=2, seed=3)
    one, two = (rollout.Rollout(model, batch=2, sampling=rollout.Sampling(steps=2)) for _ in range(2))
    with torch.inference_mode():
        for t in range(6):
            one.show(tokens_BTHW[:, t])
            two.show(tokens_BTHW[:, t])
            first = one.predict()
            same(one.predict(), first)
        same(two.predict(), first)


def test_products_and_the_kernel_give_the_same_attention(torch, genie):
    layers = genie("layers")
    dice = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, t, 12, 8, generator=dice) for t in (2, 5, 5))
    visible_TK = torch.tensor([[1, 0, 1, 0, 1], [0, 1, 1, 1, 0]], dtype=torch.bool)
    found = layers.attend_by_products(query * 0.3, key, value, visible_TK)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), visible_TK, scale=0.3
    ).transpose(1, 2)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("which", "bound"), [("temporal_attn", 0.003), ("spatial_attn", 0.01)])
def test_in_bfloat16_learning_attends_as_the_kernel_does(torch, make_genie, which, bound):
    """Scores reach 24, where bfloat16 has steps of an eighth; over time they are not rounded to those."""
    attention = getattr(make_genie(S=64, d_model=64).decoder.layers[0], which)
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        attention.qkv.weight.normal_(std=0.25, generator=dice)
        attention.proj.weight.copy_(torch.eye(64))
    x_BTND = torch.randn(2, 16, 64, 64, generator=dice)
    how = (None,) if which == "temporal_attn" else ()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attention(x_BTND, *how)
        with torch.no_grad():
            expected = attention(x_BTND, *how)
    assert found.requires_grad
    error = (found - expected).float().square().mean().sqrt() / expected.float().square().mean().sqrt()
    assert 0 < error < bound


def test_a_frame_sees_itself_and_the_clean_frames_before_it(torch, genie):
    """Two remembered frames, then a clean one (time 2) and guesses at times 1 and 3 in one pass."""
    visible_TK = genie("cache").visible(2, torch.tensor([2, 1, 3]), 1)
    assert visible_TK.int().tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 1, 1, 0, 1]]


def test_nothing_of_the_future_is_seen(torch, make_genie):
    model = make_genie()
    tokens_BTHW = windows(torch, batch=1, seed=5)
    changed_BTHW = tokens_BTHW.clone()
    changed_BTHW[:, 9:] = model.config.mask_id
    with torch.inference_mode():
        whole, cut = model(tokens_BTHW), model(changed_BTHW)
    torch.testing.assert_close(whole[:, :9], cut[:, :9], rtol=0, atol=1e-5)
    assert (whole[:, 9:] - cut[:, 9:]).abs().max() > 1e-2


def test_a_window_has_an_end(torch, genie, make_genie):
    rollout = genie("rollout")
    model = make_genie(T=4, num_prompt_frames=2)
    shown = rollout.Rollout(model, batch=1, sampling=rollout.Sampling(steps=1))
    for frame_BHW in windows(torch, batch=1, seed=0)[:, :4].unbind(1):
        shown.show(frame_BHW)
    with pytest.raises(ValueError, match="windows of 4 frames"), torch.inference_mode():
        shown.predict()


def test_gradients_reach_every_weight(torch, genie, make_genie):
    """Training uses the same layers: no weight may be left out."""
    for words in ({}, {"qk_norm": True, "use_mup": True, "qkv_bias": True}):
        model = make_genie(**words)
        inputs_BTHW = windows(torch, batch=2, seed=1)
        inputs_BTHW[:, 3:, 0] = model.config.mask_id
        model(inputs_BTHW).square().mean().backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []
