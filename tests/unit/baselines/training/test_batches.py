"""Windows as batches: what the grader would show, in the order that is asked for."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from baselines.training.recipe import Starts
from harness.data.clips import open_clip
from harness.data.truth import ClipTruth
from harness.data.windows import Schedule, find_segments, window_starts
from harness.errors import DataInvalid

pytestmark = pytest.mark.torch


@pytest.fixture
def batches(training):
    return training("batches")


def test_tokens_and_actions_are_those_that_the_grader_shows(batches, make_clip, torch) -> None:
    clip = open_clip(make_clip((300, 240), hold=1))
    starts_W = np.array([0, 20, 74, 300, 314])
    chosen_B = np.array([3, 0, 4])
    batch = batches.Windows(clip=clip, starts_W=starts_W, with_actions=True).read(chosen_B)
    ready = batch.to(torch.device("cpu"))
    truth = ClipTruth(clip=clip, starts=starts_W)
    assert ready.tokens_BTHW.dtype == torch.int64
    assert ready.actions_BTSA.shape == (3, 16, 15, 28)
    for t in range(16):
        assert np.array_equal(ready.tokens_BTHW[:, t], truth.tokens_at(chosen_B, t))
        assert np.array_equal(ready.actions_BTSA[:, t], truth.actions_until(chosen_B, t))


def test_actions_are_left_out_where_nobody_reads_them(batches, make_clip) -> None:
    windows = batches.Windows(clip=open_clip(make_clip()), starts_W=np.array([0, 226]), with_actions=False)
    assert windows.read(np.array([1])).actions_BTSA.shape == (1, 16, 15, 0)


def test_all_starts_are_every_frame_whose_window_stays_in_its_segment(batches, make_clip) -> None:
    clip = open_clip(make_clip((230, 100, 226, 300)))
    ids_N = clip.segment_ids_N
    expected = [start for start in range(clip.num_frames - 225) if ids_N[start] == ids_N[start + 225]]
    assert batches.training_starts(clip, Starts.ALL).tolist() == expected
    assert len(expected) == 5 + 1 + 75


def test_upstream_starts_are_1x_s_list(batches, make_clip) -> None:
    clip = open_clip(make_clip((600,)))
    expected_W = window_starts(find_segments(clip.segment_ids_N), Schedule.UPSTREAM)
    assert batches.training_starts(clip, Starts.UPSTREAM).tolist() == expected_W.tolist()


@pytest.mark.parametrize("lengths", [(225,), (225, 225, 225), (10,)])
def test_a_clip_without_a_window_is_refused(batches, make_clip, lengths) -> None:
    clip = open_clip(make_clip(lengths))
    for find in (
        lambda: batches.training_starts(clip, Starts.ALL),
        lambda: batches.training_starts(clip, Starts.UPSTREAM),
        lambda: batches.heldout_starts(clip),
    ):
        with pytest.raises(DataInvalid, match="no segment") as caught:
            find()
        assert caught.value.code == "data.no_window"


def test_held_out_windows_do_not_touch(batches, make_clip) -> None:
    starts = batches.heldout_starts(open_clip(make_clip((700, 226))))
    assert starts.tolist() == [0, 226, 452, 700]


@pytest.mark.parametrize(
    ("num_windows", "wanted", "expected"),
    [
        (10, None, list(range(10))),
        (10, 99, list(range(10))),
        (10, 1, [0]),
        (10, 4, [0, 3, 6, 9]),
        (1, 1, [0]),
    ],
)
def test_wanted_windows_are_spread_over_all(batches, num_windows, wanted, expected) -> None:
    assert batches.spread(num_windows, wanted).tolist() == expected


def test_batches_come_in_order_and_are_read_before_they_are_asked_for(batches) -> None:
    fifth_is_read = threading.Event()

    def read(step):
        if step == 4:
            fifth_is_read.set()
        return step

    with batches.read_ahead(read, range(9)) as arriving:
        assert next(arriving) == 0
        assert fifth_is_read.wait(10)
        assert list(arriving) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_nothing_is_read_far_ahead(batches) -> None:
    asked = []
    with batches.read_ahead(lambda step: asked.append(step) or step, range(1000)) as arriving:
        next(arriving)
    assert max(asked) <= batches.AHEAD


def test_an_error_of_the_reader_comes_out_where_its_batch_is_taken(batches) -> None:
    def read(step):
        if step == 2:
            raise OSError("the disk is gone")
        return step

    with batches.read_ahead(read, range(9)) as arriving:
        assert [next(arriving), next(arriving)] == [0, 1]
        with pytest.raises(OSError, match="gone"):
            next(arriving)


def test_what_is_wanted_is_asked_by_one_thread(batches) -> None:
    """The order of an epoch is kept from one step to the next, and would not stand two askers."""
    askers = set()

    def wanted():
        for step in range(20):
            askers.add(threading.get_ident())
            yield step

    with batches.read_ahead(lambda step: step, wanted()) as arriving:
        assert list(arriving) == list(range(20))
    assert askers == {threading.get_ident()}
