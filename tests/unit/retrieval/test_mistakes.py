"""Who makes which mistake, and whose mistakes an entry likes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.mistakes import alone, marked, mistakes, ranked
from harness.retrieval.probes import Probes


def test_a_candidates_mistakes_are_the_probes_that_it_shows() -> None:
    """The second prediction's probes; what is no probe is no mistake."""
    probes = Probes(
        begins_G=np.array([0, 1, 4]),
        cells_R=np.array([0, 0, 0, 3], np.uint16),
        values_R=np.array([5, 5, 7, 9], np.uint16),
    )
    frames_CHW = np.zeros((3, 16, 16), np.uint32)
    frames_CHW[:, 0, 0] = [5, 7, 8]
    frames_CHW[:, 0, 1] = [0, 9 * 512, 0]
    row_CP = mistakes(probes, 1, frames_CHW)
    assert row_CP[:, 0].tolist() == [0, 1, -1]
    assert row_CP[:, 3].tolist() == [-1, 2, -1]
    assert (np.delete(row_CP, [0, 3], axis=1) == -1).all()


def test_each_segment_is_ranked_by_its_best_candidate() -> None:
    extra_R = np.array([1.0, 2, -4, 0.5])
    row_CP = np.array([[0, 1, -1], [2, 1, 0], [3, 3, -1], [1, -1, -1]])
    assert ranked(extra_R, row_CP, np.array([4, 4, 9, 2])).tolist() == [0, 3, 2]


@given(seed=st.integers(0, 2**32 - 1), candidates=st.integers(1, 9), rows=st.integers(1, 12))
def test_a_mistake_that_one_segment_makes_is_its_own(seed: int, candidates: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    row_CP = rng.integers(-1, rows, size=(candidates, 4))
    segment_C = rng.integers(5, size=candidates)
    makers = [{int(s) for s, row_P in zip(segment_C, row_CP, strict=True) if r in row_P} for r in range(rows)]
    assert alone(row_CP, segment_C, rows).tolist() == [len(segments) == 1 for segments in makers]


@pytest.mark.parametrize(("rows", "marks"), [([], []), ([0, 2, -1], [0, 2]), ([-1], []), ([3, 3], [3])])
def test_what_is_named_is_marked(rows: list[int], marks: list[int]) -> None:
    assert np.flatnonzero(marked(np.array(rows, np.int64), 4)).tolist() == marks
