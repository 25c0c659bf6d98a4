"""Shortlists of hits that stream by."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.retrieval.shortlist import FAR, NOTHING, Hits, Shortlist, closest


@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 30),
    k=st.integers(1, 8),
    bound=st.sampled_from([0, 1, 3, 100, NOTHING, FAR]),
)
def test_closest_are_each_querys_first_below_its_bound(seed: int, rows: int, k: int, bound: int) -> None:
    distance_NQ = np.random.default_rng(seed).integers(6, size=(rows, 4)).astype(np.uint16)
    distance_NQ[0] = NOTHING
    bound_Q = np.array([bound, 2, FAR, 0], np.int32)
    row_M, query_M, distance_M = closest(distance_NQ, bound_Q, k)
    for query in range(4):
        below = sorted(
            (d, n) for n, d in enumerate(distance_NQ[:, query].tolist()) if d < min(bound_Q[query], NOTHING)
        )
        here = query_M == query
        found = sorted(zip(distance_M[here].tolist(), row_M[here].tolist(), strict=True))
        assert found[:k] == below[:k]
        assert set(found) <= set(below)
        for distance in range(6):
            assert row_M[here & (distance_M == distance)].tolist() == sorted(
                row_M[here & (distance_M == distance)]
            )


@given(
    seed=st.integers(0, 2**32), k=st.integers(1, 6), batches=st.integers(0, 6), groups=st.sampled_from([0, 3])
)
def test_a_shortlist_holds_the_nearest_of_all_that_was_added(
    seed: int, k: int, batches: int, groups: int
) -> None:
    rng = np.random.default_rng(seed)
    shortlist = Shortlist(3, k, group_of=(lambda frame: frame % groups) if groups else None)
    added: list[tuple[int, int, int]] = []
    for batch in range(batches):
        frame = np.sort(rng.integers(10 * batch, 10 * batch + 10, size=8))
        query, distance = rng.integers(3, size=8), rng.integers(5, size=8).astype(np.uint16)
        added += zip(query.tolist(), distance.tolist(), frame.tolist(), strict=True)
        shortlist.add(Hits(queries=query, distances=distance, frames=frame))
    shortlist.settle()
    for query in range(3):
        best: list[tuple[int, int]] = []
        for distance, frame in sorted((d, n) for q, d, n in added if q == query):
            if not groups or all(frame % groups != other % groups for _, other in best):
                best.append((distance, frame))
        missing = [FAR] * (k - len(best))
        assert shortlist.distances_QK[query].tolist() == [d for d, _ in best][:k] + missing
        assert shortlist.frames_QK[query].tolist() == [n for _, n in best][:k] + [-1] * len(missing)
        assert shortlist.bound_Q[query] == shortlist.distances_QK[query, -1]


def test_hits_are_settled_before_they_are_many() -> None:
    shortlist = Shortlist(2, 5)
    for frame in range(1000):
        hits = Hits(
            queries=np.array([0, 1]), distances=np.array([7, 8], np.uint16), frames=np.array([frame] * 2)
        )
        shortlist.add(hits)
    assert shortlist.bound_Q.tolist() == [7, 8]
    assert shortlist.frames_QK.tolist() == [[0, 1, 2, 3, 4]] * 2
