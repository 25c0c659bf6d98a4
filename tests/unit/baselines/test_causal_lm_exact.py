"""Step by step with a cache is the same as one pass over everything, whatever is shown and guessed in between."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.torch

FRAMES, FRAME_TOKENS, VOCAB = 4, 16, 64
WINDOW_TOKENS = FRAMES * FRAME_TOKENS


@pytest.fixture(scope="module")
def draw_tokens():
    """Tokens [B,P] of random windows."""
    torch = pytest.importorskip("torch")

    def draw(batch: int, seed: int):
        return torch.randint(VOCAB, (batch, WINDOW_TOKENS), generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture
def read(causal_lm):
    """Makes a reading of a model."""
    module = causal_lm("reading")

    def make(model, *, batch: int, continuations: int = 2):
        noise_KNFV = module.gumbel_noise(model, continuations, seed=3)
        return module.Reading(model, batch=batch, noise_KNFV=noise_KNFV)

    return make


@pytest.fixture
def agrees(torch, make_causal_lm, read):
    """Plays moves to a reading, and holds each of its answers against a pass over all tokens that it was shown."""
    models = {neighbours: make_causal_lm(neighbours=neighbours) for neighbours in ((1,), (1, 4, 16))}
    readings = {}

    @torch.no_grad()
    def play(neighbours, tokens_BP, moves) -> int:
        model, batch = models[neighbours], len(tokens_BP)
        key = neighbours, batch
        reading = readings.setdefault(key, read(model, batch=batch))  # again and again the same buffers
        reading.clear()
        known, answers = 0, 0
        for move, amount in moves:
            start = known // FRAME_TOKENS * FRAME_TOKENS
            if move == "frame" and start < WINDOW_TOKENS:
                known = start + FRAME_TOKENS
                reading.show_frame(tokens_BP[:, start:known])
            elif move == "tokens":
                for position in range(known, min(known + amount, WINDOW_TOKENS)):
                    reading.show_token(tokens_BP[:, position])
                    known = position + 1
            elif move == "guess" and FRAME_TOKENS <= start < WINDOW_TOKENS:
                known = start
                reading.guess_frame(torch.empty(batch, FRAME_TOKENS, 2, 8))
            elif move == "ask" and FRAME_TOKENS <= known < WINDOW_TOKENS:
                expected_BFV = model(tokens_BP)[:, known - FRAME_TOKENS]
                torch.testing.assert_close(reading.next_logits(), expected_BFV, rtol=0, atol=1e-5)
                torch.testing.assert_close(reading.next_logits(), expected_BFV, rtol=0, atol=1e-5)
                answers += 1
        return answers

    return play


MOVES = st.lists(
    st.tuples(st.sampled_from(["frame", "tokens", "guess", "ask", "ask"]), st.integers(1, FRAME_TOKENS)),
    max_size=16,
)


@given(
    batch=st.integers(1, 3),
    seed=st.integers(0, 2**16),
    moves=MOVES,
    neighbours=st.sampled_from([(1,), (1, 4, 16)]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_frames_tokens_and_guesses_gives_the_logits_of_one_pass(
    agrees, draw_tokens, batch, seed, moves, neighbours
):
    """Control: the cache is cut back to what is true after a guess."""
    moves = [("frame", 0), ("ask", 0), *moves, ("ask", 0)]
    assert agrees(neighbours, draw_tokens(batch, seed), moves) >= 1


def test_the_regimes_are_such_orders(agrees, draw_tokens):
    guess_and_truth = [move for _ in range(3) for move in (("frame", 0), ("ask", 0), ("guess", 16))]
    one_by_one = [("frame", 0), *[move for _ in range(47) for move in (("ask", 0), ("tokens", 1))]]
    late = [("frame", 0)] * 3 + [("ask", 0)]
    for moves, answers in ((guess_and_truth, 3), (one_by_one, 47), (late, 1)):
        assert agrees((1, 4, 16), draw_tokens(2, 5), moves) == answers


@given(
    batch=st.integers(1, 2),
    frames=st.integers(1, FRAMES - 1),
    continuations=st.integers(1, 3),
    neighbours=st.sampled_from([(1,), (1, 4, 16)]),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_guess_is_the_mean_of_continuations_drawn_one_by_one(
    torch, make_causal_lm, read, causal_lm, draw_tokens, batch, frames, continuations, neighbours
):
    """The slow way: each continuation alone, a whole pass for every token. Control: the mask that keeps them apart."""
    model, tokens_BP = make_causal_lm(neighbours=neighbours), draw_tokens(batch, frames)
    noise_KNFV = causal_lm("reading").gumbel_noise(model, continuations, seed=3)
    begin = frames * FRAME_TOKENS
    p_BNFV = torch.zeros(batch, FRAME_TOKENS, 2, 8)
    out_BNFV = torch.empty_like(p_BNFV)
    with torch.no_grad():
        for noise_NFV in noise_KNFV:
            drawn_BP = tokens_BP.clone()
            for position in range(FRAME_TOKENS):
                logits_BFV = model(drawn_BP)[:, begin - FRAME_TOKENS + position]
                p_BNFV[:, position] += logits_BFV.softmax(-1) / continuations
                value_BF = (logits_BFV + noise_NFV[position]).argmax(-1)
                drawn_BP[:, begin + position] = value_BF[:, 0] + 8 * value_BF[:, 1]
        reading = read(model, batch=batch, continuations=continuations)
        for start in range(0, begin, FRAME_TOKENS):
            reading.show_frame(tokens_BP[:, start : start + FRAME_TOKENS])
        for _ in range(2):  # and a second time
            reading.guess_frame(out_BNFV.fill_(torch.nan))
            torch.testing.assert_close(out_BNFV.exp(), p_BNFV, rtol=0, atol=1e-5)


def test_the_noise_draws_each_value_as_often_as_it_is_likely(torch, make_causal_lm, causal_lm):
    noise_KNFV = causal_lm("reading").gumbel_noise(make_causal_lm(), 400, seed=0)
    p_V = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05, 0, 0, 0])
    drawn_X = (p_V.log() + noise_KNFV).argmax(-1).flatten()
    share_V = torch.bincount(drawn_X, minlength=8) / len(drawn_X)
    torch.testing.assert_close(share_V, p_V, rtol=0, atol=0.02)


@pytest.mark.parametrize("neighbours", [(1,), (1, 4, 16), (1, 40)])
def test_a_token_changes_nothing_before_or_at_its_own_place(torch, make_causal_lm, draw_tokens, neighbours):
    model, tokens_BP = make_causal_lm(neighbours=neighbours), draw_tokens(1, 1)
    with torch.no_grad():
        before = model(tokens_BP)
        for place in (0, 15, 16, 17, 40, 62, 63):
            changed_BP = tokens_BP.clone()
            changed_BP[:, place] = (changed_BP[:, place] + 9) % VOCAB  # both factors
            differs_P = (model(changed_BP) - before).abs().amax((0, 2, 3)) > 1e-6
            later = torch.arange(FRAME_TOKENS, WINDOW_TOKENS) > place
            assert torch.equal(differs_P, later)


def test_the_first_token_of_a_frame_sees_all_of_the_frame_before(torch, make_causal_lm, draw_tokens):
    model, tokens_BP = make_causal_lm(neighbours=(1,)), draw_tokens(1, 2)
    with torch.no_grad():
        first = model(tokens_BP)[:, 0]
        for place in range(FRAME_TOKENS):
            changed_BP = tokens_BP.clone()
            changed_BP[:, place] ^= 9
            assert (model(changed_BP)[:, 0] - first).abs().max() > 1e-6


def test_the_first_frame_is_never_predicted(make_causal_lm, draw_tokens):
    logits_BPFV = make_causal_lm()(draw_tokens(2, 3))
    assert logits_BPFV.shape == (2, WINDOW_TOKENS - FRAME_TOKENS, 2, 8)


def test_buffers_are_made_once(torch, make_causal_lm, read, draw_tokens):
    """Control: no step allocates what grows with the window."""
    model, tokens_BP = make_causal_lm(), draw_tokens(2, 4)
    reading = read(model, batch=2)
    with torch.inference_mode():
        places = []
        for _ in range(2):
            reading.clear()
            reading.show_frame(tokens_BP[:, :FRAME_TOKENS])
            for token_B in tokens_BP[:, FRAME_TOKENS:].T:
                reading.next_logits()
                past = reading._cache.pasts(1)[1]
                places.append((past.keys.data_ptr(), past.values.data_ptr()))
                reading.show_token(token_B)
        assert len(set(places)) == 1


def test_too_much_and_too_early_are_named(make_causal_lm, read, draw_tokens):
    reading = read(make_causal_lm(), batch=1)
    with pytest.raises(RuntimeError, match="call observe first"):
        reading.next_logits()
    for begin in range(0, WINDOW_TOKENS, FRAME_TOKENS):
        reading.show_frame(draw_tokens(1, 0)[:, begin : begin + FRAME_TOKENS])
    with pytest.raises(RuntimeError, match="a window has 4 frames"):
        reading.show_token(draw_tokens(1, 0)[:, 0])
    with pytest.raises(ValueError, match="none is left to predict"):
        reading.next_logits()


def test_rotary_products_depend_on_the_distance_alone(torch, causal_lm, make_causal_lm):
    """In frame, row and column: shifting both steps by the same number of places in each changes no product."""
    layers, config = causal_lm("layers"), make_causal_lm(d_model=32).config
    angles_PC, places_P3 = layers.angles(config), layers.places(config)
    turns = layers.Turns(cos_SC=angles_PC.cos(), sin_SC=angles_PC.sin())
    dice = torch.Generator().manual_seed(0)
    query, key = (torch.randn(1, 1, 1, config.head_width, generator=dice) for _ in range(2))
    turned = [turns.applied(x.expand(1, 1, config.window_tokens, -1))[0, 0] for x in (query, key)]
    product_PP = turned[0] @ turned[1].T
    by_distance: dict[tuple[int, ...], float] = {}
    for one in range(config.window_tokens):
        for other in range(config.window_tokens):
            distance = tuple((places_P3[one] - places_P3[other]).tolist())
            product = product_PP[one, other].item()
            assert by_distance.setdefault(distance, product) == pytest.approx(product, abs=1e-4)
    assert torch.tensor(list(by_distance.values())).std() > 0.1
