"""The reveal rule: found broken exactly when a simulation that remembers every shown frame finds it broken."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.reveal import Leak, first_leak
from harness.data.windows import Schedule, Segments, find_segments, serving_order, window_starts
from harness.spec import CHALLENGE, ChallengeSpec

SPECS = st.builds(ChallengeSpec, window=st.integers(2, 5), stride=st.integers(1, 4))


def segments_of(lengths: list[int]) -> Segments:
    return find_segments(np.repeat(np.arange(len(lengths), dtype=np.int32), lengths))


@st.composite
def structures(draw: st.DrawFn) -> tuple[ChallengeSpec, Segments]:
    spec = draw(SPECS | st.just(CHALLENGE))
    lengths = st.integers(1, 5 * spec.raw_span) | st.integers(spec.raw_span - 1, spec.raw_span + 1)
    return spec, segments_of(draw(st.lists(lengths, min_size=1, max_size=6)))


@st.composite
def servings(draw: st.DrawFn) -> tuple[ChallengeSpec, Segments, np.ndarray, list[np.ndarray]]:
    """Any windows in any order in any batches."""
    spec = draw(SPECS)
    lengths = draw(st.lists(st.integers(spec.raw_span, 4 * spec.raw_span), min_size=1, max_size=3))
    segments = segments_of(lengths)
    possible = [
        start
        for begin, end in zip(segments.begins.tolist(), segments.ends.tolist(), strict=True)
        for start in range(begin, end - spec.raw_span + 1)
    ]
    chosen = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=6))
    cuts = draw(st.lists(st.integers(1, len(chosen)), max_size=4))
    batches = [batch for batch in np.split(np.arange(len(chosen)), sorted(cuts)) if len(batch)]
    return spec, segments, np.array(chosen), batches


def simulated_leak(
    starts: np.ndarray,
    batches: list[np.ndarray],
    segments: Segments,
    spec: ChallengeSpec,
    prompt: int | None = None,
) -> Leak | None:
    """Shows every frame, or a prompt of so many, asks for every prediction, and looks through all that was shown."""
    shown: dict[int, set[int]] = defaultdict(set)
    for batch in batches:
        windows = [
            (segment, int(start))
            for start in starts[batch]
            for segment, (begin, end) in enumerate(zip(segments.begins, segments.ends, strict=True))
            if begin <= start < end
        ]
        for t in range(1, spec.window):
            for segment, start in windows:
                if prompt is None or t <= prompt:
                    shown[segment].add(start + (t - 1) * spec.stride)
            for segment, start in windows if prompt is None or t >= prompt else ():
                target = start + t * spec.stride
                if max(shown[segment]) > target - spec.stride:
                    return Leak(segment=segment, target=target, revealed=max(shown[segment]))
        for segment, start in windows if prompt is None else ():
            shown[segment].add(start + (spec.window - 1) * spec.stride)
    return None


@given(servings())
def test_a_leak_is_found_exactly_where_a_simulation_finds_it(
    serving: tuple[ChallengeSpec, Segments, np.ndarray, list[np.ndarray]],
) -> None:
    spec, segments, starts, batches = serving
    assert first_leak(starts, batches, segments, spec) == simulated_leak(starts, batches, segments, spec)


@given(servings(), st.data())
def test_a_leak_of_prompts_alone_is_found_exactly_where_a_simulation_finds_it(
    serving: tuple[ChallengeSpec, Segments, np.ndarray, list[np.ndarray]], data: st.DataObject
) -> None:
    spec, segments, starts, batches = serving
    prompt = data.draw(st.integers(1, spec.window - 1))
    twice = batches + batches if data.draw(st.booleans()) else batches
    simulated = simulated_leak(starts, twice, segments, spec, prompt)
    assert first_leak(starts, twice, segments, spec, shown=prompt) == simulated


@given(structures(), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3), st.data())
def test_several_draws_of_prompts_in_serving_order_never_leak(
    structure: tuple[ChallengeSpec, Segments], max_batch: int, seed: int, draws: int, data: st.DataObject
) -> None:
    spec, segments = structure
    starts = window_starts(segments, Schedule.DISJOINT, spec)
    rng = np.random.default_rng(seed)
    batches = serving_order(starts, segments, max_batch=max_batch, rng=rng, draws=draws)
    prompt = data.draw(st.integers(1, spec.window - 1))
    assert first_leak(np.tile(starts, draws), batches, segments, spec, shown=prompt) is None


def test_one_draw_after_another_leaks_where_a_segment_holds_two_windows() -> None:
    """Control: every draw of a round comes before the next round. The second window's prompt is the first's future."""
    segments = segments_of([452])
    starts = window_starts(segments, Schedule.DISJOINT)
    once = serving_order(starts, segments, max_batch=8, rng=np.random.default_rng(0))
    assert first_leak(starts, once, segments, shown=8) is None
    assert first_leak(starts, once + once, segments, shown=8) == Leak(
        segment=0, target=120, revealed=226 + 7 * 15
    )


@given(structures(), st.integers(1, 5), st.integers(0, 2))
def test_disjoint_windows_in_serving_order_never_leak(
    structure: tuple[ChallengeSpec, Segments], max_batch: int, seed: int
) -> None:
    spec, segments = structure
    starts = window_starts(segments, Schedule.DISJOINT, spec)
    batches = serving_order(starts, segments, max_batch=max_batch, rng=np.random.default_rng(seed))
    assert first_leak(starts, batches, segments, spec) is None


@given(structures(), st.integers(1, 5))
def test_upstream_leaks_whenever_a_segment_holds_two_windows(
    structure: tuple[ChallengeSpec, Segments], max_batch: int
) -> None:
    spec, segments = structure
    starts = window_starts(segments, Schedule.UPSTREAM, spec)
    batches = serving_order(starts, segments, max_batch=max_batch, rng=np.random.default_rng(0))
    windows_per_segment = np.bincount(segments.holding(starts), minlength=1)
    interleaved = spec.stride > 1 and windows_per_segment.max() > 1
    assert (first_leak(starts, batches, segments, spec) is not None) == interleaved


@given(st.lists(st.integers(2 * 226, 900), min_size=1, max_size=5), st.integers(1, 4))
def test_two_rounds_in_the_wrong_order_are_caught(lengths: list[int], max_batch: int) -> None:
    segments = segments_of(lengths)
    starts = window_starts(segments, Schedule.DISJOINT)
    batches = serving_order(starts, segments, max_batch=max_batch, rng=np.random.default_rng(0))
    assert first_leak(starts, batches, segments) is None
    assert first_leak(starts, batches[::-1], segments) is not None


def test_two_windows_of_a_segment_in_one_batch_are_caught() -> None:
    segments = segments_of([452])
    leak = first_leak(np.array([0, 226]), [np.array([0, 1])], segments)
    assert leak == Leak(segment=0, target=15, revealed=226)


def test_the_same_window_served_twice_is_caught() -> None:
    segments = segments_of([226])
    once = [np.array([0])]
    assert first_leak(np.array([0]), once, segments) is None
    assert first_leak(np.array([0]), once * 2, segments) == Leak(segment=0, target=15, revealed=225)


@pytest.mark.parametrize(("second", "leaks"), [(224, True), (225, False), (226, False)])
def test_a_windows_last_frame_counts_as_shown(second: int, leaks: bool) -> None:
    leak = first_leak(np.array([0, second]), [np.array([0]), np.array([1])], segments_of([460]))
    assert (leak is not None) == leaks


def test_windows_of_other_segments_do_not_matter() -> None:
    segments = segments_of([226, 226])
    assert first_leak(np.array([0, 226]), [np.array([1]), np.array([0])], segments) is None


def test_nothing_served_leaks_nothing() -> None:
    assert first_leak(np.array([], np.int64), [], segments_of([10])) is None
