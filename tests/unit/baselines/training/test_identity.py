"""A run goes on only as what it began as."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from baselines.training import identity
from baselines.training.recipe import Precision, Recipe
from harness.data.clips import open_clip
from harness.errors import CheckpointInvalid, OutputFailed, UsageError

RECIPE = Recipe(steps=100)


def settle(out, wanted):
    """What a run does when it begins."""
    identity.check(out, wanted)
    identity.write(out, wanted)


@pytest.fixture
def told(make_clip):
    """What a run is; words change its parts."""
    clips = open_clip(make_clip(name="train")), open_clip(make_clip((226,), name="val"))

    def tell(**words):
        parts = {"baseline": "genie", "config": "tiny", "recipe": RECIPE, "train": clips[0], "val": clips[1]}
        return identity.identity(**(parts | words))

    return tell


def test_the_same_run_may_go_on(told, tmp_path) -> None:
    settle(tmp_path / "run", told())
    written = (tmp_path / "run" / "recipe.json").read_bytes()
    settle(tmp_path / "run", told())
    assert (tmp_path / "run" / "recipe.json").read_bytes() == written
    assert json.loads(written)["recipe"]["precision"] == "float32"


def test_every_value_that_differs_is_named(told, tmp_path) -> None:
    settle(tmp_path, told())
    other = replace(RECIPE, learning_rate=1e-3, precision=Precision.BFLOAT16)
    with pytest.raises(UsageError) as caught:
        settle(tmp_path, told(recipe=other, config="35m"))
    assert caught.value.code == "usage.other_recipe"
    for words in (
        "recipe.learning_rate is 0.0005 there and 0.001 now",
        "recipe.precision is 'float32' there and 'bfloat16' now",
        "config is 'tiny' there and '35m' now",
    ):
        assert words in caught.value.message
    assert "steps" not in caught.value.message


@pytest.mark.parametrize("split", ["train", "val"])
def test_other_data_is_another_run(told, tmp_path, make_clip, split) -> None:
    settle(tmp_path, told())
    folder = make_clip(name="other") if split == "train" else make_clip((226,), name="other")
    tokens_NHW = np.memmap(folder / "video.bin", "<u4", "r+", shape=(open_clip(folder).num_frames, 16, 16))
    tokens_NHW[:] ^= 1
    tokens_NHW.flush()
    with pytest.raises(UsageError, match=f"begun otherwise: {split} is"):
        settle(tmp_path, told(**{split: open_clip(folder)}))


def test_a_clip_is_known_by_its_content_not_by_its_place(make_clip) -> None:
    one, same = open_clip(make_clip(name="one")), open_clip(make_clip(name="same"))
    assert identity.fingerprint(one) == identity.fingerprint(same)
    assert identity.fingerprint(one) != identity.fingerprint(open_clip(make_clip((226, 300), name="longer")))


def test_a_config_file_may_move_but_not_change(told, tmp_path) -> None:
    (tmp_path / "a.json").write_text('{"d_model": 32}')
    (tmp_path / "b.json").write_text('{"d_model":  32}')
    (tmp_path / "c.json").write_text('{"d_model": 64}')
    settle(tmp_path / "run", told(config=identity.content_of(tmp_path / "a.json")))
    settle(tmp_path / "run", told(config=identity.content_of(tmp_path / "b.json")))
    with pytest.raises(UsageError, match=r"config\.d_model is 32 there and 64 now"):
        settle(tmp_path / "run", told(config=identity.content_of(tmp_path / "c.json")))


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_a_folder_of_something_else_is_refused(told, tmp_path, text) -> None:
    (tmp_path / "recipe.json").write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointInvalid):
        settle(tmp_path, told())


@pytest.mark.parametrize("name", ["video.bin", "checkpoints"])
def test_a_folder_with_other_things_is_not_a_run_s(tmp_path, name) -> None:
    """A clip's, or a run's whose recipe was removed: nobody knows what its checkpoints are."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match=name) as caught:
        identity.check_folder(tmp_path)
    assert caught.value.code == "usage.not_a_run"


def test_a_folder_for_a_run_is_new_empty_or_a_run_s(tmp_path) -> None:
    identity.check_folder(tmp_path / "new")
    (tmp_path / ".lock").write_text("")
    identity.check_folder(tmp_path)
    (tmp_path / "recipe.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    identity.check_folder(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        identity.check_folder(tmp_path / ".lock")


def test_a_place_that_cannot_be_written_is_the_operator_s(told, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed):
        settle(tmp_path / "file" / "run", told())
