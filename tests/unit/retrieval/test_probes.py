"""Probes: exactly the wrong values that candidates propose, and what an entry thinks of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.clips import open_clip
from harness.data.truth import ClipTruth
from harness.protocol.host import Prediction
from harness.retrieval.probes import FLOOR, Probes, ProbeSheet, cell_values, probes_of

T = 15
V = 512


@dataclass
class Proposed:
    """Hand-made candidates: every prediction's own frames."""

    frames: dict[tuple[int, int], NDArray[np.uint32]]
    segments_BTC: NDArray[np.int64]

    def tokens(self, b: int, t_index: int) -> NDArray[np.uint32]:
        return self.frames.get((b, t_index), np.zeros((0, 16, 16), np.uint32))


def proposed(frames: dict[tuple[int, int], NDArray[np.uint32]]) -> Proposed:
    return Proposed(frames=frames, segments_BTC=np.full((2, T, 1), -1))


@pytest.fixture
def truth(make_clip: Callable[..., Path]) -> ClipTruth:
    """Two windows whose frames change every 30 raw frames: every second frame is the one before it again."""
    return ClipTruth(clip=open_clip(make_clip((226, 226), hold=30)), starts=np.array([0, 226]))


@pytest.fixture
def some_probes(truth: ClipTruth) -> Probes:
    rng = np.random.default_rng(1)
    frames = {
        (b, t): rng.integers(1 << 18, size=(3, 16, 16), dtype=np.uint32) for b in range(2) for t in range(T)
    }
    return probes_of(truth, proposed(frames))


def naive(
    sources_CHW: NDArray[np.uint32], truth_HW: NDArray[np.uint32], last_HW: NDArray[np.uint32]
) -> list[tuple[int, int]]:
    found = set()
    for source_HW in sources_CHW:
        for place in range(256):
            for factor in range(2):
                value, right, last = (
                    int(frame_HW.flat[place]) // V**factor % V for frame_HW in (source_HW, truth_HW, last_HW)
                )
                if value not in (right, last):
                    found.add((place * 2 + factor, value))
    return sorted(found)


def rows_of(probes: Probes, g: int) -> list[tuple[int, int]]:
    rows = probes.rows(g)
    return list(zip(probes.cells_R[rows].tolist(), probes.values_R[rows].tolist(), strict=True))


def test_probes_are_what_candidates_show_and_neither_the_truth_nor_the_last_frame_does(
    truth: ClipTruth,
) -> None:
    frame = [truth.tokens_at(np.array([1]), t)[0] for t in range(16)]
    right_but_one_bit = frame[2].copy()
    right_but_one_bit[3, 4] ^= np.uint32(1 << 9)  # the second factor of position 3 * 16 + 4
    sources_CHW = np.stack([frame[2], frame[1], right_but_one_bit, right_but_one_bit])
    probes = probes_of(truth, proposed({(1, 1): sources_CHW}))
    assert rows_of(probes, T + 1) == [(2 * 52 + 1, int(right_but_one_bit[3, 4]) // V)]
    assert len(probes.cells_R) == 1
    assert probes.begins_G.tolist() == [0] * (T + 2) + [1] * (T - 1)


def test_probes_agree_with_looking_at_one_cell_after_another(truth: ClipTruth) -> None:
    rng = np.random.default_rng(0)
    frames = {}
    for b, t in ((0, 0), (0, 14), (1, 7)):
        near = truth.tokens_at(np.array([b]), t)
        frames[b, t] = near ^ rng.integers(4, size=(5, 16, 16), dtype=np.uint32)
    probes = probes_of(truth, proposed(frames))
    for (b, t), sources_CHW in frames.items():
        window = np.array([b])
        right, last = truth.tokens_at(window, t + 1)[0], truth.tokens_at(window, t)[0]
        assert rows_of(probes, b * T + t) == naive(sources_CHW, right, last)
    assert len(probes.cells_R) == sum(len(rows_of(probes, b * T + t)) for b, t in frames)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6))
def test_the_frames_that_propose_a_probe_are_those_that_show_it(seed: int, num_sources: int) -> None:
    rng = np.random.default_rng(seed)
    sources_CHW = rng.integers(3, size=(num_sources, 16, 16)).astype(np.uint32)
    cells_R, values_R = rng.integers(V, size=30).astype(np.uint16), rng.integers(3, size=30).astype(np.uint16)
    probes = Probes(begins_G=np.array([0, 0, 30]), cells_R=cells_R, values_R=values_R)
    expected_CR = [
        [int(source.flat[cell // 2]) // V ** (cell % 2) % V == value for cell, value in rows_of(probes, 1)]
        for source in sources_CHW
    ]
    np.testing.assert_array_equal(
        probes.proposed(1, sources_CHW), np.reshape(expected_CR, (num_sources, 30)).astype(bool)
    )


def test_cells_are_in_the_order_of_the_logits() -> None:
    tokens_CHW = np.arange(256, dtype=np.uint32).reshape(1, 16, 16) + V * 3
    values_HWF = cell_values(tokens_CHW).reshape(16, 16, 2)
    np.testing.assert_array_equal(values_HWF[..., 0], tokens_CHW[0] % V)
    assert (values_HWF[..., 1] == 3).all()


def test_the_same_probes_have_the_same_digest_and_others_another(some_probes: Probes) -> None:
    fields = {
        "begins_G": some_probes.begins_G,
        "cells_R": some_probes.cells_R,
        "values_R": some_probes.values_R,
    }
    assert Probes(**fields).sha256 == some_probes.sha256
    for name, array in fields.items():
        other = array.copy()
        other[len(other) // 2] += 1
        assert Probes(**{**fields, name: other}).sha256 != some_probes.sha256


def prediction(windows: list[int], t: int, logits_BHWFV: NDArray[np.floating]) -> Prediction:
    frame_BHW = np.zeros((len(windows), 16, 16), np.uint32)
    return Prediction(
        windows_B=np.array(windows),
        t=t,
        target_BHW=frame_BHW,
        logits_BHWFV=logits_BHWFV,
        tokens_BHW=frame_BHW,
    )


def test_uniform_logits_give_every_probe_minus_log_512(some_probes: Probes) -> None:
    sheet = ProbeSheet(probes=some_probes)
    for t in range(1, 16):
        assert np.isnan(sheet.logprobs_R).any()
        sheet.record(prediction([1, 0], t, np.ones((2, 16, 16, 2, V), np.float32)))
    np.testing.assert_allclose(sheet.logprobs_R, -math.log(V), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["<f4", "<f2"])
def test_each_probe_gets_the_log_probability_of_its_own_value(some_probes: Probes, dtype: str) -> None:
    logits = np.random.default_rng(0).normal(size=(2, 16, 16, 2, V)).astype(dtype)
    sheet = ProbeSheet(probes=some_probes)
    sheet.record(prediction([1, 0], 3, logits))
    exact = logits.astype(float) - np.log(np.exp(logits.astype(float)).sum(-1, keepdims=True))
    for place, window in enumerate([1, 0]):
        rows = some_probes.rows(window * T + 2)
        cells = some_probes.cells_R[rows].astype(int)
        expected = exact[place, cells // 32, cells // 2 % 16, cells % 2, some_probes.values_R[rows]]
        np.testing.assert_allclose(sheet.logprobs_R[rows], expected, rtol=1e-6)
    recorded = sum(np.diff(some_probes.begins_G)[[2, T + 2]])
    assert np.isfinite(sheet.logprobs_R).sum() == recorded


def test_log_probabilities_end_at_the_floor(some_probes: Probes) -> None:
    logits = np.zeros((1, 16, 16, 2, V), np.float32)
    logits[..., 0] = 3e38
    sheet = ProbeSheet(probes=some_probes)
    sheet.record(prediction([0], 1, logits))
    rows = some_probes.rows(0)
    expected = np.where(some_probes.values_R[rows] == 0, 0, FLOOR)
    np.testing.assert_array_equal(sheet.logprobs_R[rows], expected)


def test_without_candidates_there_are_no_probes(truth: ClipTruth) -> None:
    probes = probes_of(truth, proposed({}))
    assert probes.begins_G.tolist() == [0] * (2 * T + 1)
    assert len(ProbeSheet(probes=probes).logprobs_R) == 0
