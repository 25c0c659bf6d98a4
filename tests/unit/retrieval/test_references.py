"""The host's own predictors: distributions in closed form, looked up at the probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.clips import clip_sha256, open_clip
from harness.data.truth import ClipTruth
from harness.progress import Silent
from harness.retrieval.probes import FLOOR, Probes, cell_values, probes_of
from harness.retrieval.references import (
    DISCOUNT,
    HOST_REFERENCES,
    agreement,
    host_logprobs,
    references_for,
)
from harness.retrieval.transitions import Transitions, count_transitions

V = 512
UNIFORM_PV = np.full((V, V), 1 / V)


def shown(*values: int) -> NDArray[np.uint16]:
    """One source per value, which shows it in every cell."""
    return np.repeat(np.array(values, np.uint16)[:, None], V, axis=1)


def test_votes_are_discounted_and_what_is_taken_goes_to_the_background() -> None:
    """Three segments for 9, one for 4: 4 votes and 2 values."""
    agreed_PV = agreement(shown(9, 9, 9, 4), np.array([1, 2, 3, 5]), UNIFORM_PV)
    taken = 2 * DISCOUNT / 4 / V
    np.testing.assert_allclose(agreed_PV[:, 9], (3 - DISCOUNT) / 4 + taken)
    np.testing.assert_allclose(agreed_PV[:, 4], (1 - DISCOUNT) / 4 + taken)
    np.testing.assert_allclose(agreed_PV[:, 0], taken)


def test_a_segment_has_one_vote_for_a_value_however_often_it_proposes_it() -> None:
    often = agreement(shown(9, 4, 9, 9), np.array([1, 2, 1, 1]), UNIFORM_PV)
    np.testing.assert_array_equal(often, agreement(shown(9, 4), np.array([1, 2]), UNIFORM_PV))


def test_cells_vote_apart() -> None:
    sources_CP = shown(9, 9)
    sources_CP[1, 7] = 4
    agreed_PV = agreement(sources_CP, np.array([1, 2]), UNIFORM_PV)
    assert agreed_PV[7, 9] == agreed_PV[7, 4] < agreed_PV[6, 9]


def test_without_candidates_the_background_remains() -> None:
    agreed_PV = agreement(np.zeros((0, V), np.uint16), np.zeros(0, np.int64), UNIFORM_PV)
    np.testing.assert_array_equal(agreed_PV, UNIFORM_PV)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_probabilities_of_all_values_sum_to_one(seed: int, num_sources: int) -> None:
    rng = np.random.default_rng(seed)
    sources_CP = rng.integers(6, size=(num_sources, V)).astype(np.uint16)
    background_PV = rng.dirichlet(np.ones(V), size=V)
    agreed_PV = agreement(sources_CP, rng.integers(4, size=num_sources), background_PV)
    assert (agreed_PV > 0).all()
    np.testing.assert_allclose(agreed_PV.sum(axis=1), 1, rtol=1e-9)


@dataclass
class Successors:
    """Three candidates a prediction, of two segments and with a hole: frames of the clip itself."""

    truth: ClipTruth
    segments_BTC: NDArray[np.int64]

    def tokens(self, b: int, t_index: int) -> NDArray[np.uint32]:
        return self.truth.clip.tokens_NHW[np.array([3, 100, 200]) + 7 * b + t_index]


@pytest.fixture
def truth(make_clip: Callable[..., Path]) -> ClipTruth:
    return ClipTruth(clip=open_clip(make_clip((226, 226), hold=5)), starts=np.array([0, 226]))


@pytest.fixture
def successors(truth: ClipTruth) -> Successors:
    return Successors(truth=truth, segments_BTC=np.tile([4, -1, 4, 6], (2, 15, 1)))


@pytest.fixture
def probes(truth: ClipTruth, successors: Successors) -> Probes:
    return probes_of(truth, successors)


def count(truth: ClipTruth) -> Transitions:
    return count_transitions(truth.clip, advance=lambda _amount=1, /: None)


def test_each_probe_is_looked_up_given_the_last_observed_frame(
    truth: ClipTruth, successors: Successors, probes: Probes
) -> None:
    transitions = count(truth)
    logprobs_MR = host_logprobs(transitions, truth, successors, probes, advance=lambda _amount=1, /: None)
    assert logprobs_MR.shape == (len(HOST_REFERENCES), len(probes.cells_R))
    for b, t in ((0, 1), (1, 1), (1, 15)):
        rows = probes.rows(b * 15 + t - 1)
        last_P = cell_values(truth.tokens_at(np.array([b]), t - 1))[0]
        followed_PV = transitions.given(last_P)
        agreed_PV = agreement(cell_values(successors.tokens(b, t - 1)), np.array([4, 4, 6]), followed_PV)
        at = probes.cells_R[rows], probes.values_R[rows]
        np.testing.assert_allclose(logprobs_MR[0, rows], np.log(followed_PV[at]), rtol=1e-6)
        np.testing.assert_allclose(logprobs_MR[1, rows], np.log(agreed_PV[at]), rtol=1e-6)


def test_log_probabilities_end_at_the_floor(truth: ClipTruth, successors: Successors, probes: Probes) -> None:
    """Of a thousand million pairs none ended as a probe does."""
    after_PV = np.zeros((V, V), np.int64)
    after_PV[:, V - 1] = 10**9
    never = Transitions(pairs_FUV=np.zeros((2, V, V), np.int64), after_PV=after_PV)
    logprobs_MR = host_logprobs(never, truth, successors, probes, advance=lambda _amount=1, /: None)
    assert logprobs_MR[0].min() == FLOOR
    assert logprobs_MR.max() <= 0


def test_the_second_time_gives_the_same(
    truth: ClipTruth, successors: Successors, probes: Probes, tmp_path: Path
) -> None:
    first_MR, second_MR = (
        references_for(
            truth,
            truth.clip,
            successors,
            probes,
            folder=tmp_path / "kept",
            train_sha256=clip_sha256(truth.clip),
            progress=Silent(),
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first_MR, second_MR)
    expected_MR = host_logprobs(count(truth), truth, successors, probes, advance=lambda _amount=1, /: None)
    np.testing.assert_array_equal(first_MR, expected_MR)
