"""Shared mistakes: what an entry that copies gives away, and what one that does not copy keeps.

A small world: every prediction has candidates of a few segments, and every value that one proposes is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.tokens import unfactorize
from harness.retrieval.copycoef import SPREADS, SharedErrors, path_share, shared_errors
from harness.retrieval.probes import FLOOR, Probes, cell_values
from harness.spec import CHALLENGE

T = CHALLENGE.window - 1
STRIDE = CHALLENGE.stride
SEGMENTS = 4
SEGMENT_FRAMES = 10_000
SUSPECT = 1
"""The candidate that is copied, where one is: one of three of its segment, and it marches through it."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Candidates, the mistakes that they propose, and two references' thoughts on them."""

    frames_BTCHW: NDArray[np.uint32]
    sources_BTC: NDArray[np.int64]
    probes: Probes
    references_MR: NDArray[np.float64]

    @property
    def segments_BTC(self) -> NDArray[np.int64]:
        return np.where(self.sources_BTC >= 0, self.sources_BTC // SEGMENT_FRAMES, -1)

    def tokens(self, b: int, t_index: int) -> NDArray[np.uint32]:
        return self.frames_BTCHW[b, t_index][self.sources_BTC[b, t_index] >= 0]

    def from_suspect(self) -> NDArray[np.bool_]:
        """Which probes the suspect proposes: bool `[R]`."""
        windows = len(self.sources_BTC)
        frames_GHW = self.frames_BTCHW[:, :, SUSPECT].reshape(windows * T, 1, 16, 16)
        return np.concatenate(
            [self.probes.proposed(g, frames_1HW)[0] for g, frames_1HW in enumerate(frames_GHW)]
        )

    def is_even(self) -> NDArray[np.bool_]:
        """Which probes stand on the half that chooses."""
        row, column = np.divmod(self.probes.cells_R.astype(int) // 2, 16)
        return (row + column) % 2 == 0

    def window_of(self) -> NDArray[np.int64]:
        """The window of each probe."""
        return np.repeat(np.arange(len(self.sources_BTC)), np.diff(self.probes.begins_G[::T]))

    def check(self, logprobs_R: NDArray[np.floating], seed: int = 0) -> SharedErrors:
        return shared_errors(
            probes=self.probes,
            logprobs_R=logprobs_R,
            references_MR=self.references_MR,
            candidates=self,
            rng=np.random.default_rng(seed),
        )


def make_world(windows: int, *, seed: int = 0, values: int = 12) -> World:
    rng = np.random.default_rng(seed)
    candidates = 3 * SEGMENTS
    frames = unfactorize(rng.integers(values, size=(windows, T, candidates, 16, 16, 2)), CHALLENGE)
    steps_BT1 = STRIDE * (np.arange(T)[:, None] + 50 * np.arange(windows)[:, None, None])
    first_C = SEGMENT_FRAMES * (np.arange(candidates) // 3) + 31 * (np.arange(candidates) % 3)
    codes = [
        np.unique(np.arange(512) * 512 + cell_values(frames_CHW).astype(int))
        for frames_CHW in frames.reshape(-1, candidates, 16, 16)
    ]
    codes_R = np.concatenate(codes)
    probes = Probes(
        begins_G=np.cumsum([0, *map(len, codes)]),
        cells_R=(codes_R // 512).astype(np.uint16),
        values_R=(codes_R % 512).astype(np.uint16),
    )
    return World(
        frames_BTCHW=frames.astype(np.uint32),
        sources_BTC=steps_BT1 + first_C,
        probes=probes,
        references_MR=rng.uniform(-9, -1, size=(2, len(codes_R))),
    )


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(5)


@pytest.fixture(scope="module")
def honest_R(world: World) -> NDArray[np.float64]:
    """Something like both references, bent, with a mind of its own."""
    first_R, second_R = world.references_MR
    noise_R = np.random.default_rng(8).normal(scale=0.7, size=len(first_R))
    return 0.5 * first_R + 0.3 * second_R - 0.05 * first_R**2 - 1 + noise_R


@pytest.mark.parametrize("reference", [0, 1])
def test_an_entry_that_is_a_reference_shares_no_mistakes(world: World, reference: int) -> None:
    found = world.check(world.references_MR[reference])
    assert found.delta == pytest.approx(0, abs=1e-6)
    assert found.delta_ci == pytest.approx((0, 0), abs=1e-6)
    assert found.delta_by_window == pytest.approx([0] * 5, abs=1e-6)
    assert found.support_BT == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("nats", [0.1, 1.0, 4.0])
def test_delta_is_what_an_entry_adds_to_its_sources_mistakes(world: World, nats: float) -> None:
    """References explain the rest to the last digit, so the spread is the least there is."""
    first_R, second_R = world.references_MR
    quadratic_R = 0.5 * first_R + 0.3 * second_R - 0.05 * first_R**2 + 0.01 * first_R * second_R - 4
    found = world.check(quadratic_R + nats * world.from_suspect())
    assert found.spread == SPREADS[0]
    assert found.delta == pytest.approx(nats / SPREADS[0], abs=1e-5)
    assert found.delta_by_window == pytest.approx([nats / SPREADS[0]] * 5, abs=1e-5)
    np.testing.assert_array_equal(found.sources_BT, world.sources_BTC[:, :, SUSPECT])
    assert found.path_share == 1
    assert found.tested == 5 * T


def test_support_is_what_all_tested_mistakes_are_given(world: World) -> None:
    """Some of the half that did not choose: alone in their segment, and among the least expected third."""
    from_suspect_R = world.from_suspect()
    support_BT = world.check(world.references_MR[0] + 2.0 * from_suspect_R).support_BT
    mistakes_G = np.add.reduceat(from_suspect_R & ~world.is_even(), world.probes.begins_G[:-1])
    tested_G = support_BT.ravel() / 2.0
    np.testing.assert_allclose(tested_G, tested_G.round(), atol=1e-3)
    assert ((tested_G > 0.05 * mistakes_G) & (tested_G < 0.3 * mistakes_G)).all()


def test_what_runners_up_are_given_too_is_no_copy(world: World, honest_R: NDArray[np.float64]) -> None:
    """A model that finds one candidate of every segment a little better than the others has no source."""
    likes_R = np.zeros(len(honest_R), np.bool_)
    for g in range(5 * T):
        best_CHW = world.frames_BTCHW.reshape(-1, 3 * SEGMENTS, 16, 16)[g, ::3]
        likes_R[world.probes.rows(g)] = world.probes.proposed(g, best_CHW).any(axis=0)
    assert world.check(honest_R + 2.0 * likes_R).delta == pytest.approx(0, abs=0.05)


def test_what_two_segments_propose_is_not_tested(world: World) -> None:
    """Shared by segments, a mistake is tempting; the source's own are not."""
    shared_R = np.zeros(len(world.probes.cells_R), np.bool_)
    for g in range(5 * T):
        frames_CHW = world.frames_BTCHW.reshape(-1, 3 * SEGMENTS, 16, 16)[g]
        votes_SR = [
            world.probes.proposed(g, frames_CHW[3 * s : 3 * s + 3]).any(axis=0) for s in range(SEGMENTS)
        ]
        shared_R[world.probes.rows(g)] = np.sum(votes_SR, axis=0) > 1
    answers_R = world.references_MR[0] - 3 + 3.0 * (world.from_suspect() & shared_R)
    found = world.check(answers_R)
    np.testing.assert_array_equal(found.sources_BT, world.sources_BTC[:, :, SUSPECT])
    assert found.delta == pytest.approx(0, abs=0.05)


def test_agreement_by_chance_chooses_a_source_and_is_not_found_on_the_other_half(
    world: World, honest_R: NDArray[np.float64]
) -> None:
    """The best of a dozen candidates always agrees well where it was chosen."""
    only_chosen_R = honest_R + 3.0 * (world.from_suspect() & world.is_even())
    found = world.check(only_chosen_R)
    assert (found.sources_BT == world.sources_BTC[:, :, SUSPECT]).all()
    assert found.delta == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("sharpness", [0.8, 1.2])
def test_a_sharper_or_blunter_entry_has_the_same_delta(
    world: World, honest_R: NDArray[np.float64], sharpness: float
) -> None:
    """As long as nothing reaches the floor."""
    answers_R = 0.8 * honest_R + 0.2 * world.from_suspect()
    found, changed = world.check(answers_R), world.check(answers_R * sharpness)
    assert changed.delta == pytest.approx(found.delta, rel=1e-3)
    assert changed.spread == pytest.approx(found.spread * sharpness, rel=1e-3)


def test_an_entry_cannot_hide_a_copy_in_noise_without_end(world: World) -> None:
    """Noise in values that hardly matter to the loss makes the spread larger, up to a bound."""
    noise_R = np.random.default_rng(5).normal(scale=4, size=len(world.probes.cells_R))
    answers_R = np.clip(-8 + noise_R, FLOOR, 0) + 2.0 * world.from_suspect()
    found = world.check(answers_R)
    assert found.spread == SPREADS[1]
    assert found.delta == pytest.approx(2 / SPREADS[1], abs=0.4)


def test_a_copier_in_one_window_is_seen_in_that_window(world: World, honest_R: NDArray[np.float64]) -> None:
    is_copied_R = world.from_suspect() & (world.window_of() == 3)
    by_window = world.check(honest_R + 2.0 * is_copied_R).delta_by_window
    assert by_window[3] == pytest.approx(2 / 0.8, abs=0.3)  # its copies are a part of the spread
    assert max(abs(delta) for window, delta in enumerate(by_window) if window != 3) < 0.3


def test_nothing_below_the_floor_counts(world: World) -> None:
    from_suspect_R = world.from_suspect()
    clipped = world.check(np.where(from_suspect_R, -1.0, FLOOR))
    assert clipped.delta * clipped.spread == pytest.approx(-1 - FLOOR)
    assert world.check(np.where(from_suspect_R, -1.0, -np.inf)).delta == clipped.delta


def test_without_candidates_there_is_no_source(world: World, honest_R: NDArray[np.float64]) -> None:
    hole_BTC = world.sources_BTC.copy()
    hole_BTC[2, 4] = -1
    found = replace(world, sources_BTC=hole_BTC).check(honest_R)
    assert found.sources_BT[2, 4] == -1
    assert found.support_BT[2, 4] == 0
    assert found.tested == 5 * T - 1
    nothing = replace(world, sources_BTC=np.full_like(hole_BTC, -1)).check(honest_R)
    assert (nothing.delta, nothing.delta_ci, nothing.path_share, nothing.tested) == (0, (0, 0), 0, 0)
    assert nothing.delta_by_window == (0,) * 5


def test_a_source_whose_segment_is_the_only_one_has_nothing_to_be_compared_with(
    world: World, honest_R: NDArray[np.float64]
) -> None:
    one_BTC = np.where(world.segments_BTC == 0, world.sources_BTC, -1)
    found = replace(world, sources_BTC=one_BTC).check(honest_R)
    assert (found.sources_BT >= 0).all()
    assert (found.delta, found.tested) == (0, 0)


def test_the_same_draws_give_the_same_interval(world: World, honest_R: NDArray[np.float64]) -> None:
    assert world.check(honest_R, seed=4).delta_ci == world.check(honest_R, seed=4).delta_ci
    assert world.check(honest_R, seed=4).delta_ci != world.check(honest_R, seed=5).delta_ci


def test_a_path_is_a_stride_a_frame_within_a_segment() -> None:
    sources_BT = np.array([[100, 115, 130, 500, -1, 7], [15, 30, 31, -1, -1, -1]])
    segments_BT = np.array([[0, 0, 1, 2, -1, 0], [0, 0, 0, -1, -1, -1]])
    assert path_share(sources_BT, segments_BT, 15) == pytest.approx(2 / 5)
    assert path_share(np.full((2, 3), -1), np.full((2, 3), -1), 15) == 0
