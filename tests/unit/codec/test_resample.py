"""Which frame shows which moment."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.codec.resample import at_rate

RATE = Fraction(30)


def evenly(frames: int, hz: Fraction | int) -> list[tuple[Fraction, int]]:
    return [(Fraction(number) / hz, number) for number in range(frames)]


def shown(timed: list[tuple[Fraction, int]], hz: Fraction = RATE) -> list[int]:
    return [frame for frame, times in at_rate(timed, hz) for _ in range(times)]


def test_the_same_rate_changes_nothing() -> None:
    assert shown(evenly(100, 30)) == list(range(100))


def test_of_twice_the_rate_every_second_frame_is_taken() -> None:
    assert shown(evenly(60, 60)) == list(range(0, 60, 2))


def test_a_third_of_the_rate_shows_each_frame_around_its_own_time() -> None:
    assert shown(evenly(4, 10)) == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]


def test_of_two_frames_that_are_equally_near_the_earlier_is_taken() -> None:
    assert shown(evenly(3, 15)) == [0, 0, 1, 1, 2]


def test_a_rate_that_is_no_divisor_keeps_the_pace() -> None:
    assert shown(evenly(2401, 24))[::30] == [*range(0, 2401, 24)]
    assert len(shown(evenly(3000, Fraction(30000, 1001)))) == 3003


def test_times_rounded_to_milliseconds_lose_no_frame() -> None:
    timed = [(Fraction(round(number * 1000 / 30), 1000), number) for number in range(226)]
    assert shown(timed) == list(range(226))


def test_one_frame_is_one_moment_and_none_is_none() -> None:
    assert shown([(Fraction(7), 1)]) == [1]
    assert shown([]) == []


times = st.lists(st.fractions(0, 3, max_denominator=1000), min_size=1, max_size=40).map(sorted)


@given(times, st.sampled_from([Fraction(30), Fraction(7), Fraction(30000, 1001)]))
def test_every_moment_shows_the_frame_nearest_in_time(seconds: list[Fraction], hz: Fraction) -> None:
    found = shown(list(zip(seconds, range(len(seconds)), strict=True)), hz)
    assert len(found) == int((seconds[-1] - seconds[0] + Fraction(1, 1000)) * hz) + 1
    for moment, frame in enumerate(found):
        at = seconds[0] + moment / hz
        assert abs(seconds[frame] - at) == min(abs(other - at) for other in seconds)


@given(times)
def test_when_the_clock_starts_does_not_matter(seconds: list[Fraction]) -> None:
    frames = range(len(seconds))
    later = [second + 1000 for second in seconds]
    assert shown(list(zip(later, frames, strict=True))) == shown(list(zip(seconds, frames, strict=True)))


@pytest.mark.parametrize("hz", [10, 30, 60])
def test_only_one_frame_is_held_back(hz: int) -> None:
    taken: list[int] = []

    def source() -> Iterator[tuple[Fraction, int]]:
        for seconds, frame in evenly(1000, hz):
            taken.append(frame)
            yield seconds, frame

    for frame, _ in at_rate(source(), RATE):
        assert len(taken) - frame <= 2 or frame == 999
