"""Whole generations, by whatever batches and caches, are those of full passes that remember nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from harness.progress import Silent

pytestmark = pytest.mark.torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

quick = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # modules, which hold nothing
)


@pytest.fixture
def modules(entry_module, genie):
    """What the tests below need: (straightforward, continuation, rollout, fill)."""
    straightforward = entry_module(BENCHMARKS, "genie_straightforward")
    return straightforward, genie("continuation"), genie("rollout"), genie("maskgit").fill


@pytest.fixture
def make_lively(torch, make_genie):
    """As `make_genie`, with larger embeddings, so that what it predicts depends on what it sees."""

    def make(**words):
        model = make_genie(**words)
        with torch.no_grad():
            for embedding in model.token_embed.factored_embeds:
                embedding.weight.mul_(10)
        return model

    return make


def random_windows(batch: int, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(2**18, size=(batch, 16, 4, 4), dtype=np.uint32)


@quick
@given(
    steps=some.integers(1, 9),
    batch=some.integers(1, 6),  # of more than 4, two batches are made
    prompt=some.integers(1, 15),
    seed=some.integers(0, 999),
    is_forced=some.booleans(),
    by_confidence=some.booleans(),
    shape=some.fixed_dictionaries({"qk_norm": some.booleans(), "use_mup": some.booleans()}),
)
def test_generated_windows_are_those_of_full_passes(
    torch, modules, make_lively, steps, batch, prompt, seed, is_forced, by_confidence, shape
):
    straightforward, continuation, rollout, fill = modules
    model = make_lively(seed=seed, **shape)
    truth_BTHW = random_windows(batch, seed=seed)
    how = continuation.Settings(
        examples=tuple(range(batch)),
        prompt_frames=prompt,
        maskgit_steps=steps,
        teacher_forced=is_forced,
        by_confidence=by_confidence,
        seed=seed,
    )
    untold_BTSA = np.zeros((batch, 16, 15, 0), np.float32)
    found_BTHW = continuation.continued(model, truth_BTHW, untold_BTSA, how, progress=Silent())

    noise_TKN = None if by_confidence else rollout.order_noise(model.config, steps, seed=seed)
    whole_BTHW = torch.from_numpy(truth_BTHW.astype(np.int64))
    with torch.inference_mode():
        if is_forced:
            expected, _ = straightforward.teacher_forced(
                model, fill, whole_BTHW, steps=steps, noise_TKN=noise_TKN, frames=range(prompt, 16)
            )
        else:
            expected, _ = straightforward.autoregressive(
                model, fill, whole_BTHW[:, :prompt], steps=steps, noise_TKN=noise_TKN
            )
    np.testing.assert_array_equal(found_BTHW[:, :prompt], truth_BTHW[:, :prompt])
    np.testing.assert_array_equal(found_BTHW[:, prompt:], expected.numpy())


@quick
@given(
    steps=some.integers(1, 9),
    batch=some.integers(1, 5),
    shown=some.lists(some.integers(1, 4), min_size=1, max_size=5),
    seed=some.integers(0, 999),
    shape=some.fixed_dictionaries({"qk_norm": some.booleans(), "use_mup": some.booleans()}),
)
def test_frames_may_be_shown_in_any_portions(torch, modules, make_lively, steps, batch, shown, seed, shape):
    """Between two predictions any number of frames is shown: the logits stay those of one pass over all of them."""
    straightforward, _, rollout, fill = modules
    model = make_lively(seed=seed, **shape)
    truth_BTHW = torch.from_numpy(random_windows(batch, seed=seed).astype(np.int64))
    noise_TKN = rollout.order_noise(model.config, steps, seed=seed)
    cached = rollout.Rollout(model, batch=batch, sampling=rollout.Sampling(steps=steps, noise_TKN=noise_TKN))
    time = 0
    with torch.inference_mode():
        for portion in shown:
            for frame_BHW in truth_BTHW[:, time : min(time + portion, 15)].unbind(1):
                cached.show(frame_BHW)
            time = min(time + portion, 15)
            tokens_BHW, logits = cached.predict()
            expected = straightforward.predict_frame(
                model, fill, truth_BTHW, time, steps=steps, noise_KXN=noise_TKN[time]
            )
            np.testing.assert_array_equal(tokens_BHW.numpy(), expected[0].numpy())
            np.testing.assert_allclose(logits.numpy(), expected[1].numpy(), rtol=0, atol=1e-4)
