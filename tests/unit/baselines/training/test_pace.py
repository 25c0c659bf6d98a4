"""How fast a run is, by a clock of ours."""

from __future__ import annotations

import importlib

import pytest

pytestmark = pytest.mark.torch


class Clock:
    """Shows what it is told."""

    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_meter(torch, clock):
    pace, peaks = (importlib.import_module(f"baselines.training.{name}") for name in ("pace", "peaks"))

    def make(**words):
        defaults = {
            "tokens_per_window": 4096,
            "flops_per_window": 1e9,
            "peak": peaks.Peak(flops_per_s=1e11, source="made up"),
            "clock": clock,
        }
        return pace.Meter(**(defaults | words))

    return make


def test_before_the_first_step_there_is_no_pace(make_meter, clock):
    running = make_meter()
    clock.now_s += 10
    assert running.pace(steps_left=5) is None


def test_the_pace_of_even_steps(make_meter, clock):
    running = make_meter()
    for _ in range(4):
        clock.now_s += 2
        running.step(8)
    pace = running.pace(steps_left=10)
    assert pace.windows_per_s == 4
    assert pace.tokens_per_s == 4 * 4096
    assert pace.mfu == pytest.approx(4e9 / 1e11)
    assert pace.eta_s == 20


def test_what_is_done_while_paused_costs_no_speed_but_delays_the_end(make_meter, clock):
    """An evaluation as long as the work between two of them doubles the time that is left."""
    running = make_meter()
    for _ in range(3):
        clock.now_s += 2
        running.step(8)
        with running.paused():
            clock.now_s += 2
    pace = running.pace(steps_left=10)
    assert pace.windows_per_s == 4
    assert pace.eta_s == 40


def test_a_pause_that_ends_in_an_error_is_over(make_meter, clock):
    running = make_meter()

    def fail():
        with running.paused():
            clock.now_s += 50
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    clock.now_s += 2
    running.step(8)
    assert running.pace(steps_left=0).windows_per_s == 4


def test_only_the_last_steps_count(make_meter, clock):
    """The first step compiles; the pace soon forgets it."""
    running = make_meter(span=3)
    for seconds in (100, 1, 1, 1):
        clock.now_s += seconds
        running.step(8)
    assert running.pace(steps_left=0).windows_per_s == 8


def test_mfu_is_of_all_devices_together(make_meter, clock):
    running = make_meter(devices=2)
    clock.now_s += 1
    running.step(10)
    assert running.pace(steps_left=0).mfu == pytest.approx(0.05)
