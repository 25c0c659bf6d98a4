"""Which windows are graded and in which order: against 1X's own lists, against plain loops, and by their properties."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.windows import (
    Schedule,
    Segments,
    find_segments,
    serving_order,
    window_frames,
    window_starts,
)
from harness.spec import CHALLENGE, ChallengeSpec

GOLDEN = Path(__file__).parents[2] / "golden" / "windows" / "vectors.npz"

SPECS = st.builds(ChallengeSpec, window=st.integers(2, 6), stride=st.integers(1, 5)) | st.just(CHALLENGE)


@st.composite
def structures(draw: st.DrawFn) -> tuple[ChallengeSpec, list[int]]:
    """A spec and segment lengths around the lengths that matter to it."""
    spec = draw(SPECS)
    lengths = st.integers(1, 4 * spec.raw_span) | st.integers(spec.raw_span - 1, spec.raw_span + 1)
    return spec, draw(st.lists(lengths, min_size=1, max_size=8))


def ids_of(lengths: Sequence[int]) -> np.ndarray:
    """Ids that skip numbers and begin below zero."""
    return np.repeat(np.arange(len(lengths), dtype=np.int32) * 3 - 1, lengths)


def loop_like_1x(segment_ids_N: np.ndarray, spec: ChallengeSpec) -> list[int]:
    """The starts that 1X's loader keeps, one after the other."""
    reach = spec.stride * (spec.window - 1)
    kept: list[int] = []
    seen = set()
    for start in range(len(segment_ids_N) - reach):
        if segment_ids_N[start] != segment_ids_N[start + reach]:
            continue
        if any(start - spec.stride * i in seen for i in range(1, spec.window)):
            continue
        kept.append(start)
        seen.add(start)
    return kept


@pytest.mark.parametrize("interrupts", [0, 1], ids=["segments ignored", "segments kept apart"])
@pytest.mark.parametrize("case", range(6))
def test_upstream_equals_what_1x_code_keeps(case: int, interrupts: int) -> None:
    with np.load(GOLDEN) as golden:
        lengths = golden[f"c{case}_seglens"]
        window, stride = golden[f"c{case}_window_stride"].tolist()
        expected = golden[f"c{case}_starts_interrupts{interrupts}_overlaps1"]
    segments = find_segments(ids_of(lengths if interrupts else [int(lengths.sum())]))
    starts = window_starts(segments, Schedule.UPSTREAM, ChallengeSpec(window=window, stride=stride))
    np.testing.assert_array_equal(starts, expected)
    assert starts.dtype == np.int64


def test_the_golden_file_holds_six_cases_and_each_is_worth_something() -> None:
    with np.load(GOLDEN) as golden:
        assert {name.split("_")[0] for name in golden} == {f"c{case}" for case in range(6)}
        assert all(len(golden[name]) for name in golden)


@given(structures())
def test_upstream_equals_a_plain_loop(structure: tuple[ChallengeSpec, list[int]]) -> None:
    spec, lengths = structure
    starts = window_starts(find_segments(ids_of(lengths)), Schedule.UPSTREAM, spec)
    assert starts.tolist() == loop_like_1x(ids_of(lengths), spec)


@given(st.lists(st.integers(1, 9), max_size=20).filter(bool))
def test_segments_are_the_runs_of_equal_ids(lengths: list[int]) -> None:
    segments = find_segments(ids_of(lengths))
    assert (segments.ends - segments.begins).tolist() == lengths
    assert segments.begins.tolist() == [0, *np.cumsum(lengths)[:-1].tolist()]
    holders = segments.holding(np.arange(sum(lengths)))
    np.testing.assert_array_equal(holders, np.repeat(np.arange(len(lengths)), lengths))


@given(structures(), st.sampled_from(Schedule))
def test_a_window_stays_inside_one_segment(
    structure: tuple[ChallengeSpec, list[int]], schedule: Schedule
) -> None:
    spec, lengths = structure
    ids_N = ids_of(lengths)
    starts = window_starts(find_segments(ids_N), schedule, spec)
    frames_BT = window_frames(starts, spec)
    assert frames_BT.shape == (len(starts), spec.window)
    assert (np.diff(frames_BT, axis=1) == spec.stride).all()
    assert (np.diff(starts) > 0).all()
    assert (ids_N[frames_BT] == ids_N[starts][:, None]).all()


@given(structures())
def test_disjoint_windows_never_touch_and_no_other_fits_between(
    structure: tuple[ChallengeSpec, list[int]],
) -> None:
    spec, lengths = structure
    segments = find_segments(ids_of(lengths))
    starts = window_starts(segments, Schedule.DISJOINT, spec)
    for begin, end in zip(segments.begins, segments.ends, strict=True):
        inside = starts[(starts >= begin) & (starts < end)]
        used = {frame for start in inside for frame in range(start, start + spec.raw_span)}
        assert len(used) == len(inside) * spec.raw_span
        assert used <= set(range(begin, end))
        assert len(inside) == (end - begin) // spec.raw_span
        assert (end - begin) - len(used) < spec.raw_span
        assert len(inside) == 0 or inside[0] == begin


@given(st.integers(1, 30), st.sampled_from([225, 226, 227]))
def test_on_segments_of_one_window_both_schedules_agree(segments: int, frames: int) -> None:
    found = find_segments(ids_of([frames] * segments))
    disjoint = window_starts(found, Schedule.DISJOINT)
    expected = np.arange(segments) * frames if frames >= CHALLENGE.raw_span else []
    np.testing.assert_array_equal(disjoint, expected)
    if frames <= CHALLENGE.raw_span:
        np.testing.assert_array_equal(window_starts(found, Schedule.UPSTREAM), disjoint)


def test_val_has_243_windows_in_either_schedule() -> None:
    segments = find_segments(ids_of([226] * 243))
    for schedule in Schedule:
        assert window_starts(segments, schedule).tolist() == list(range(0, 54918, 226))


def test_a_window_is_sixteen_frames_fifteen_apart() -> None:
    assert window_frames(np.array([100])).tolist() == [list(range(100, 326, 15))]


@given(structures(), st.sampled_from(Schedule), st.integers(1, 9), st.integers(0, 3))
def test_serving_shows_every_window_once_in_whole_rounds(
    structure: tuple[ChallengeSpec, list[int]], schedule: Schedule, max_batch: int, seed: int
) -> None:
    spec, lengths = structure
    segments = find_segments(ids_of(lengths))
    starts = window_starts(segments, schedule, spec)
    batches = serving_order(starts, segments, max_batch=max_batch, rng=np.random.default_rng(seed))
    served = [index for batch in batches for index in batch.tolist()]
    assert sorted(served) == list(range(len(starts)))

    rounds = _rounds(starts, segments)
    for batch in batches:
        assert 1 <= len(batch) <= max_batch
        assert len({rounds[index] for index in batch}) == 1
        assert len(set(segments.holding(starts[batch]).tolist())) == len(batch)
    order = [rounds[index] for index in served]
    assert order == sorted(order)
    assert len(batches) == sum(-(-rounds.count(k) // max_batch) for k in set(rounds))


@given(structures(), st.integers(1, 9), st.integers(0, 3), st.integers(1, 4))
def test_several_draws_show_each_round_that_often_before_the_next(
    structure: tuple[ChallengeSpec, list[int]], max_batch: int, seed: int, draws: int
) -> None:
    spec, lengths = structure
    segments = find_segments(ids_of(lengths))
    starts = window_starts(segments, Schedule.DISJOINT, spec)

    def order(**kwargs: int) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        return [
            batch.tolist()
            for batch in serving_order(starts, segments, max_batch=max_batch, rng=rng, **kwargs)
        ]

    batches, rounds = order(draws=draws), _rounds(starts, segments)
    served = [divmod(index, len(starts)) for batch in batches for index in batch]
    assert sorted(served) == [(draw, window) for draw in range(draws) for window in range(len(starts))]
    places = [(rounds[window], draw) for draw, window in served]
    assert places == sorted(places)
    assert [batch for batch in batches if batch[0] < len(starts)] == order(), (
        "the first is as if it were alone"
    )


def test_the_draws_have_batches_of_their_own() -> None:
    segments = find_segments(ids_of([226] * 40))
    starts = window_starts(segments, Schedule.DISJOINT)
    batches = serving_order(starts, segments, max_batch=40, rng=np.random.default_rng(0), draws=2)
    assert (batches[0] != batches[1] - 40).any()


def _rounds(starts: np.ndarray, segments: Segments) -> list[int]:
    """For each window, how many windows of its segment are before it."""
    counts: dict[int, int] = {}
    rounds = []
    for start in starts:
        (segment,) = np.flatnonzero((segments.begins <= start) & (start < segments.ends)).tolist()
        rounds.append(counts.get(segment, 0))
        counts[segment] = rounds[-1] + 1
    return rounds


def test_the_seed_decides_the_order() -> None:
    segments = find_segments(ids_of([226 * 3] * 40))
    starts = window_starts(segments, Schedule.DISJOINT)

    def order(seed: int) -> list[list[int]]:
        batches = serving_order(starts, segments, max_batch=7, rng=np.random.default_rng(seed))
        return [batch.tolist() for batch in batches]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_no_window_fits_into_short_segments() -> None:
    segments = find_segments(ids_of([225, 1, 100]))
    for schedule in Schedule:
        starts = window_starts(segments, schedule)
        assert starts.tolist() == []
        assert serving_order(starts, segments, max_batch=4, rng=np.random.default_rng(0)) == []


def test_indexing_the_training_split_stays_under_500_mb() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.multinomial(10_832_584 - 16_652 * 226, np.full(16_652, 1 / 16_652)) + 226
    segment_ids_N = ids_of(lengths.tolist())
    tracemalloc.start()
    try:
        segments = find_segments(segment_ids_N)
        counts = {schedule: len(window_starts(segments, schedule)) for schedule in Schedule}
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counts[Schedule.UPSTREAM] > counts[Schedule.DISJOINT] >= 16_652
    assert peak_bytes < 500e6
