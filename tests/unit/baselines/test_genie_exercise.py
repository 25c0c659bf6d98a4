"""Parts of a step add up to the whole; both ways of asking ask what they say."""

from __future__ import annotations

import dataclasses
import math

import pytest

pytestmark = pytest.mark.torch

BATCH, WIDTH = 5, 3


@pytest.fixture
def exercise(genie):
    """The module."""
    return genie("exercise")


@pytest.fixture
def asked(torch, exercise, make_genie):
    """An exercise about random windows, and the model it is for; words change the config."""

    def make(way: str, *, seed: int = 0, batch: int = BATCH, **words):
        model = make_genie(**{"action_width": WIDTH, **words})
        dice = torch.Generator().manual_seed(seed)
        tokens_BTHW = torch.randint(2**18, (batch, 16, model.config.side, model.config.side), generator=dice)
        actions_BTSA = 1 + torch.rand((batch, 16, 15, model.config.action_width), generator=dice)
        return getattr(exercise, way)(tokens_BTHW, actions_BTSA, model.config, dice), model

    return make


both_ways = pytest.mark.parametrize("way", ["masked", "side_by_side"])


@pytest.fixture
def scores(torch, genie):
    """Loss and accuracy over the masked positions, from all logits: nats per token, and share of tokens right."""

    def of(logits_BTHWFV, found, config):
        target_XF = genie("model").factors(found.target_BTHW[found.masked_BTHW], config)
        logits_XFV = logits_BTHWFV[found.masked_BTHW]
        nats_XF = -logits_XFV.log_softmax(-1).gather(-1, target_XF[..., None])[..., 0]
        return nats_XF.sum(1).mean(), (logits_XFV.argmax(-1) == target_XF).all(1).float().mean()

    return of


@both_ways
def test_zero_logits_lose_what_a_uniform_guess_loses(torch, exercise, asked, way):
    found, model = asked(way)
    torch.nn.init.zeros_(model.out_x_proj.weight)
    torch.nn.init.zeros_(model.out_x_proj.bias)
    loss, accuracy = exercise.Solver(model)(*found.part(0, BATCH))
    assert loss.item() == pytest.approx(2 * math.log(512), rel=1e-6)
    assert accuracy.item() < 0.01


@both_ways
def test_a_batch_always_has_a_mask(torch, genie, exercise, way, monkeypatch):
    """Of one window of tiny frames, chance alone would leave some without any."""
    monkeypatch.setattr(exercise, "WHOLLY_MASKED", 0.0)
    shape = {"num_layers": 1, "num_heads": 1, "d_model": 8, "S": 1, "T": 2, "num_prompt_frames": 1}
    config, dice = genie("config").GenieConfig(**shape), torch.Generator().manual_seed(0)
    tokens_BTHW, actions_BTSA = torch.zeros((1, 2, 1, 1), dtype=torch.int64), torch.zeros(1, 2, 15, 0)
    for _ in range(50):
        found = getattr(exercise, way)(tokens_BTHW, actions_BTSA, config, dice)
        assert found.masked_BTHW.sum() == 1


@both_ways
def test_parts_add_up_to_the_whole(torch, exercise, asked, way):
    found, model = asked(way)
    solver = exercise.Solver(model)

    def learned(edges):
        model.zero_grad()
        scores = [solver(*found.part(begin, end)) for begin, end in edges]
        for loss, _ in scores:
            loss.backward()
        total = [sum(score[k].item() for score in scores) for k in range(2)]
        return total, [parameter.grad.clone() for parameter in model.parameters()]

    whole, gradients = learned([(0, BATCH)])
    cut, cut_gradients = learned([(0, 1), (1, 4), (4, BATCH)])
    assert cut == pytest.approx(whole, rel=1e-5)
    for gradient, expected in zip(cut_gradients, gradients, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("non_mlm_ratio", [0.0, 1.0])
def test_the_masked_way_is_scored_like_full_logits(torch, scores, exercise, asked, non_mlm_ratio):
    found, model = asked("masked", non_mlm_ratio=non_mlm_ratio, use_mup=True)
    loss, accuracy = exercise.Solver(model)(*found.part(0, BATCH))
    expected, expected_accuracy = scores(model(found.seen_BTHW, found.actions_BTSA), found, model.config)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(accuracy, expected_accuracy)
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    for slope, other in zip(slopes, torch.autograd.grad(expected, list(model.parameters())), strict=True):
        torch.testing.assert_close(slope, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("words", [{}, {"qk_norm": True, "use_mup": True, "qkv_bias": True}])
def test_side_by_side_is_what_the_cached_passes_compute(torch, genie, scores, exercise, asked, words):
    found, model = asked("side_by_side", **words)
    cache = genie("cache").TemporalCache(model.config, batch=BATCH, capacity=30)
    before_BTSA = genie("actions").shown_before(found.actions_BTSA)
    with torch.inference_mode():
        logits = model.guess(
            found.guess_BTHW,
            range(1, 16),
            cache,
            clean_BTHW=found.seen_BTHW,
            blocks_BTSA=torch.cat([before_BTSA[:, :15], before_BTSA[:, 1:]], 1),
        )
    expected, expected_accuracy = scores(logits, found, model.config)
    loss, accuracy = exercise.Solver(model)(*found.part(0, BATCH))
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(accuracy, expected_accuracy)


def test_a_part_without_a_mask_has_no_share(torch, exercise, asked):
    found, model = asked("masked")
    found.masked_BTHW[2] = False
    loss, accuracy = exercise.Solver(model)(*found.part(2, 3))
    loss.backward()
    assert (loss.item(), accuracy.item()) == (0, 0)
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)


def test_the_same_seed_asks_the_same(torch, asked):
    for way in ("masked", "side_by_side"):
        one, same, other = (asked(way, seed=seed)[0] for seed in (1, 1, 2))
        for field in dataclasses.fields(one):
            assert torch.equal(getattr(one, field.name), getattr(same, field.name))
        assert not torch.equal(one.masked_BTHW, other.masked_BTHW)


def test_side_by_side_asks_mostly_for_whole_frames(asked, exercise):
    found, model = asked("side_by_side", batch=60, max_corrupt_rate=0.0, S=256)
    share_BT = found.masked_BTHW.float().mean((2, 3))
    assert found.masked_BTHW.shape[1] == 15
    assert (share_BT == 1).float().mean().item() == pytest.approx(exercise.WHOLLY_MASKED, abs=0.05)
    assert share_BT[share_BT < 1].mean().item() == pytest.approx(0.62, abs=0.06)
    is_masked_BTHW = found.guess_BTHW == model.config.mask_id
    assert (is_masked_BTHW == found.masked_BTHW).all()
    assert (found.guess_BTHW == found.target_BTHW)[~is_masked_BTHW].all()
    assert (found.seen_BTHW[:, 1:] == found.target_BTHW[:, :-1]).all()


def test_side_by_side_corrupts_at_one_rate_up_to_the_configs(asked):
    rates = []
    for seed in range(60):
        found, _ = asked("side_by_side", seed=seed, max_corrupt_rate=0.5)
        wrong = (found.seen_BTHW[:, 1:] % 512 != found.target_BTHW[:, :-1] % 512).float().mean()
        rates.append(wrong.item())
    assert sum(rates) / len(rates) == pytest.approx(0.25, abs=0.05)
    assert max(rates) < 0.56


def test_actions_end_where_a_rollouts_own_predictions_begin(asked):
    for seed in range(20):
        found, _ = asked("masked", seed=seed, non_mlm_ratio=1.0, S=64, batch=2)
        first = int(found.masked_BTHW.any(3).any(2).any(0).nonzero()[0, 0])
        told_T = found.actions_BTSA.ne(0).any(3).any(2).any(0)
        assert first >= 8
        assert told_T.tolist() == [t < first for t in range(16)]


def test_other_masked_batches_are_told_all_actions(asked):
    assert all(asked("masked", seed=seed, non_mlm_ratio=0.0)[0].actions_BTSA.all() for seed in range(10))


def test_side_by_side_tells_some_windows_only_the_first_actions(asked):
    found, _ = asked("side_by_side", batch=400, non_mlm_ratio=0.25)
    told_BT = found.actions_BTSA.ne(0).all(3).all(2)
    assert told_BT[:, :8].all()
    assert (~told_BT).any(1).float().mean().item() == pytest.approx(0.25, abs=0.07)
    ends = told_BT.sum(1)
    assert set(ends.tolist()) == set(range(8, 17))
    assert (told_BT == (ends[:, None] > ends.new_tensor(range(16)))).all()


@both_ways
def test_compiled_it_is_not_compiled_again_for_every_mask(torch, exercise, asked, way):
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    found, model = asked(way)
    compiled = torch.compile(exercise.Solver(model), backend=counter)
    compiled(*found.part(0, BATCH))
    compiled(*asked(way, seed=1)[0].part(0, BATCH))  # by now torch knows that numbers of rows vary
    before = counter.frame_count
    for seed in range(2, 5):
        loss, _ = compiled(*asked(way, seed=seed)[0].part(0, BATCH))
        expected, _ = exercise.Solver(model)(*asked(way, seed=seed)[0].part(0, BATCH))
        torch.testing.assert_close(loss, expected)
    assert counter.frame_count == before > 0
    torch._dynamo.reset()
