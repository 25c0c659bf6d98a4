"""Checkpoints are there whole or not at all, the last few and the best."""

from __future__ import annotations

import json

import pytest

from harness.errors import CheckpointInvalid, OutputFailed

pytestmark = pytest.mark.torch


class Killed(BaseException):
    """What ends a process between two instructions; nothing of ours catches it."""


@pytest.fixture
def snapshots(training, tmp_path):
    return training("snapshots").Snapshots(tmp_path, keep=2)


def weights(text):
    return lambda folder: (folder / "weights").write_text(text)


def names(tmp_path):
    return sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))


def test_the_newest_is_the_one_of_the_highest_step(snapshots) -> None:
    assert snapshots.newest() is None
    for step in (5, 10, 15):
        snapshots.add(step, weights(f"after {step}"), unlogged=[[1.5, 2.0]])
    newest = snapshots.newest()
    assert (newest.step, newest.state["unlogged"]) == (15, [[1.5, 2.0]])
    assert (newest.folder / "weights").read_text() == "after 15"
    assert snapshots.at(10).step == 10


def test_the_last_ones_stay_and_the_best_beside_them(snapshots, tmp_path) -> None:
    for step in range(1, 6):
        snapshots.add(step, weights("some"))
        if step == 2:
            snapshots.set_best(step, weights("best"), heldout_loss=8.5)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000004",
        "step-00000005",
    ]
    assert snapshots.best().state == {"step": 2, "heldout_loss": 8.5}


def test_a_better_one_takes_the_best_s_place(snapshots, tmp_path) -> None:
    snapshots.set_best(1, weights("good"))
    snapshots.set_best(2, weights("better"))
    assert (tmp_path / "best" / "weights").read_text() == "better"
    assert snapshots.best().step == 2
    assert names(tmp_path) == ["best", "best/state.json", "best/weights"]


def test_one_that_was_killed_while_it_was_written_is_not_there(snapshots, tmp_path) -> None:
    snapshots.add(1, weights("whole"))

    def die(folder):
        (folder / "weights").write_text("ha")
        raise Killed

    for write in (snapshots.add, snapshots.set_best):
        with pytest.raises(Killed):
            write(2, die)
    assert snapshots.newest().step == 1
    assert snapshots.best() is None
    assert any("unfinished" in name for name in names(tmp_path))
    snapshots.sweep()
    assert not any("unfinished" in name for name in names(tmp_path))
    assert snapshots.newest().step == 1


def test_a_best_that_was_killed_while_it_was_replaced_is_put_back(snapshots, tmp_path) -> None:
    snapshots.add(1, weights("newest"))
    snapshots.set_best(1, weights("good"))
    (tmp_path / "best").rename(tmp_path / ".replaced-best")
    assert snapshots.best() is None
    snapshots.sweep()
    assert (tmp_path / "best" / "weights").read_text() == "good"
    assert not (tmp_path / ".replaced-best").exists()


def test_the_best_stays_when_there_is_nothing_to_go_on_from(snapshots, tmp_path) -> None:
    """Whoever removes damaged checkpoints, as an error advises, does not lose it."""
    snapshots.set_best(1, weights("kept"))
    snapshots.sweep()
    assert (tmp_path / "best" / "weights").read_text() == "kept"


def test_one_that_only_the_first_process_has_names_the_shared_folder(snapshots) -> None:
    with pytest.raises(CheckpointInvalid) as caught:
        snapshots.at(5)
    assert "--out that all of them share" in caught.value.fix


def test_a_full_disk_is_the_operator_s_and_leaves_what_was_there(snapshots, tmp_path) -> None:
    snapshots.add(1, weights("whole"))

    def fill(folder):
        with open("/dev/full", "w") as disk:
            disk.write("weights" * 10_000)

    with pytest.raises(OutputFailed, match="No space left") as caught:
        snapshots.add(2, fill)
    assert "run the same command again" in caught.value.fix
    assert names(tmp_path / "checkpoints") == [
        "step-00000001",
        "step-00000001/state.json",
        "step-00000001/weights",
    ]


@pytest.mark.parametrize("text", ["", "[]", '{"loss": 1}', json.dumps({"step": None})])
def test_a_state_that_says_nothing_is_refused_and_the_way_on_is_told(snapshots, text) -> None:
    snapshots.add(1, weights("whole"))
    newest = snapshots.newest()
    (newest.folder / "state.json").write_text(text)
    with pytest.raises(CheckpointInvalid) as caught:
        snapshots.newest()
    assert str(newest.folder) in caught.value.fix


@pytest.mark.parametrize("value", [None, "8", True, [8.0]])
def test_what_is_not_a_number_is_not_taken_for_one(snapshots, value) -> None:
    snapshots.set_best(1, weights("some"), right=8, wrong=value)
    best = snapshots.best()
    assert best.number("right") == 8
    for name in ("wrong", "missing"):
        with pytest.raises(CheckpointInvalid, match=name) as caught:
            best.number(name)
        assert str(best.folder) in caught.value.fix


@pytest.mark.parametrize("value", [None, 3, [[1.0, 2.0], [1.0]], [[1.0, None]], ["ab"]])
def test_what_are_not_rows_of_numbers_are_not_taken_for_them(snapshots, value) -> None:
    snapshots.add(1, weights("some"), right=[[1.0, 2.0], [3, 4]], wrong=value)
    newest = snapshots.newest()
    assert newest.rows("right", 2) == [[1.0, 2.0], [3, 4]]
    for name in ("wrong", "missing"):
        with pytest.raises(CheckpointInvalid, match=name):
            newest.rows(name, 2)


def test_what_is_not_ours_is_passed_over(snapshots, tmp_path) -> None:
    for step in (5, 100_000_000, 99_999_999):
        snapshots.add(step, weights("some"))
    (tmp_path / "checkpoints" / "step-of-mine").mkdir()
    (tmp_path / "checkpoints" / "step-999999999").write_text("a file")
    assert snapshots.newest().step == 100_000_000


def test_one_that_was_moved_is_named(snapshots) -> None:
    snapshots.add(5, weights("some"))
    moved = snapshots.newest().folder.rename(snapshots.newest().folder.with_name("step-00000009"))
    with pytest.raises(CheckpointInvalid, match="of step 5") as caught:
        snapshots.newest()
    assert str(moved) in caught.value.fix
