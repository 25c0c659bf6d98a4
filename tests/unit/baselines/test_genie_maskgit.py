"""Filling a frame: how many positions each step settles, which, and that they stay."""

from __future__ import annotations

import math

import pytest

pytestmark = pytest.mark.torch


@pytest.fixture
def config(genie):
    """Frames of 4x4."""
    return genie("config").GenieConfig(num_layers=1, num_heads=1, d_model=8, S=16)


@pytest.fixture
def maskgit(genie):
    """The module."""
    return genie("maskgit")


@pytest.fixture
def random_logits(torch):
    """Logits [X,H,W,F,V] that differ from call to call, with the frames that were asked about in `asked`."""

    class Logits:
        def __init__(self) -> None:
            self.dice = torch.Generator().manual_seed(0)
            self.asked = []
            self.given = []

        def __call__(self, frame_XHW):
            self.asked.append(frame_XHW.clone())
            self.given.append(torch.randn((*frame_XHW.shape, 2, 512), generator=self.dice))
            return self.given[-1]

    return Logits()


def test_the_schedule_is_a_quarter_of_a_cosine(maskgit):
    assert [maskgit.num_masked(k, 2, 256) for k in range(2)] == [math.ceil(256 * math.cos(math.pi / 4)), 0]
    assert [maskgit.num_masked(k, 8, 256) for k in range(8)] == [252, 237, 213, 182, 143, 98, 50, 0]
    assert maskgit.num_masked(0, 1, 256) == 0


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_each_step_settles_its_share_and_what_is_settled_stays(torch, maskgit, config, random_logits, steps):
    tokens_XHW, _ = maskgit.fill(random_logits, config, (3,), steps=steps)
    assert len(random_logits.asked) == steps
    assert (random_logits.asked[0] == config.mask_id).all()
    for k, (before, after) in enumerate(
        zip(random_logits.asked, [*random_logits.asked[1:], tokens_XHW], strict=True)
    ):
        masked = after == config.mask_id
        assert masked.sum((1, 2)).tolist() == [maskgit.num_masked(k, steps, 16)] * 3
        settled = before != config.mask_id
        assert torch.equal(after[settled], before[settled])
    assert tokens_XHW.max() < 2**18


def test_the_logits_are_those_of_the_first_step(torch, maskgit, config, random_logits):
    _, logits = maskgit.fill(random_logits, config, (2,), steps=3)
    assert torch.equal(logits, random_logits.given[0])


def test_at_temperature_zero_the_likeliest_value_is_taken(torch, maskgit, config, random_logits):
    tokens_XHW, logits = maskgit.fill(random_logits, config, (2, 3), steps=1)
    assert tokens_XHW.shape == (2, 3, 4, 4)
    assert torch.equal(tokens_XHW % 512, logits[..., 0, :].argmax(-1))
    assert torch.equal(tokens_XHW // 512, logits[..., 1, :].argmax(-1))


def test_without_noise_the_surest_positions_are_settled_first(torch, maskgit, config, random_logits):
    maskgit.fill(random_logits, config, (2,), steps=2)
    sure_XN = random_logits.given[0].softmax(-1).amax(-1).prod(-1).flatten(1)
    kept_XN = (random_logits.asked[1] != config.mask_id).flatten(1)
    for sure_N, kept_N in zip(sure_XN, kept_XN, strict=True):
        assert sure_N[kept_N].min() > sure_N[~kept_N].max()


def test_with_noise_the_order_is_the_noises_and_the_same_for_every_window(
    torch, maskgit, config, random_logits
):
    noise_KXN = torch.rand((2, 1, 16), generator=torch.Generator().manual_seed(1))
    maskgit.fill(random_logits, config, (3,), steps=2, noise_KXN=noise_KXN)
    kept_XN = (random_logits.asked[1] != config.mask_id).flatten(1)
    expected_N = torch.zeros(16, dtype=torch.bool)
    expected_N[noise_KXN[0, 0].argsort()[maskgit.num_masked(0, 2, 16) :]] = True
    assert torch.equal(kept_XN, expected_N.expand(3, 16))


def test_temperature_divides_logits(torch, maskgit, config):
    """Value 1 leads value 0 by two: at temperature 2 that is a factor of e, near 0 it always wins."""

    def two_values(frame_XHW):
        logits = torch.full((*frame_XHW.shape, 2, 512), -1e4)
        logits[..., 0], logits[..., 1] = 0, 2
        return logits

    def share_of_ones(temperature):
        dice = torch.Generator().manual_seed(0)
        how = {"steps": 1, "temperature": temperature, "generator": dice}
        tokens_XHW, _ = maskgit.fill(two_values, config, (500,), **how)
        return (tokens_XHW % 512).float().mean().item()

    assert share_of_ones(2.0) == pytest.approx(math.e / (1 + math.e), abs=0.02)
    assert share_of_ones(1.0) == pytest.approx(math.e**2 / (1 + math.e**2), abs=0.02)
    assert share_of_ones(0.01) == 1


def test_no_step_at_all_is_refused(maskgit, config, random_logits):
    with pytest.raises(ValueError, match="at least one"):
        maskgit.fill(random_logits, config, (1,), steps=0)
