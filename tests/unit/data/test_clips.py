"""Clips on disk: what is read, and every way in which a folder is not a clip."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data import clips
from harness.data.clips import ACTION_WIDTHS, clip_sha256, open_clip, write_clip
from harness.errors import DataInvalid
from harness.spec import CHALLENGE

FRAMES = 300


@pytest.fixture
def folder(make_clip: Callable[..., Path]) -> Path:
    """A clip of two segments, 300 frames."""
    return make_clip((226, 74), hold=1)


def edit_metadata(folder: Path, **changes: Any) -> None:
    path = folder / "metadata.json"
    metadata = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in metadata.items() if value is not Ellipsis}))


def refusal(folder: Path) -> DataInvalid:
    with pytest.raises(DataInvalid) as caught:
        open_clip(folder)
    assert caught.value.fix
    return caught.value


def put(path: Path, dtype: str, index: int, value: float) -> None:
    values = np.fromfile(path, dtype)
    values[index] = value
    values.tofile(path)


def test_a_clip_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    tokens_NHW = rng.integers(CHALLENGE.vocab, size=(40, 16, 16), dtype=np.uint32)
    segment_ids_N = np.repeat(np.array([-2, 5, 9], np.int32), [10, 1, 29])
    actions = {name: rng.normal(size=(40, width)).astype(np.float32) for name, width in ACTION_WIDTHS.items()}
    write_clip(
        tmp_path, tokens_NHW=tokens_NHW, segment_ids_N=segment_ids_N, actions=actions, tokenizer_ckpt="here"
    )
    clip = open_clip(tmp_path)
    np.testing.assert_array_equal(clip.tokens_NHW, tokens_NHW)
    np.testing.assert_array_equal(clip.segment_ids_N, segment_ids_N)
    assert set(clip.actions) == set(actions)
    for name, values_NA in actions.items():
        np.testing.assert_array_equal(clip.actions[name], values_NA)
    assert (clip.num_frames, clip.metadata.tokenizer_ckpt) == (40, "here")


def test_ids_up_to_the_last_of_the_vocabulary_are_accepted(folder: Path) -> None:
    put(folder / "video.bin", "<u4", -1, CHALLENGE.vocab - 1)
    assert open_clip(folder).tokens_NHW[-1, -1, -1] == CHALLENGE.vocab - 1


def test_metadata_without_a_token_dtype_means_uint32(folder: Path) -> None:
    edit_metadata(folder, token_dtype=..., tokenizer_ckpt=...)
    assert open_clip(folder).metadata.token_dtype == "uint32"


def test_arrays_cannot_be_written_to(folder: Path) -> None:
    clip = open_clip(folder)
    for array in (clip.tokens_NHW, clip.segment_ids_N, *clip.actions.values()):
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError):
        clip.actions["joint_pos"] = np.zeros((FRAMES, 21), np.float32)  # type: ignore[index]


def test_the_widths_of_actions_come_from_the_files(folder: Path) -> None:
    assert open_clip(folder).action_widths == dict(sorted(ACTION_WIDTHS.items()))
    np.zeros((FRAMES, 7), "<f4").tofile(folder / "actions" / "neck_desired.bin")
    assert open_clip(folder).action_widths["neck_desired"] == 7


def test_rows_of_actions_are_rows_of_the_file(folder: Path) -> None:
    values_NA = np.arange(FRAMES * 3, dtype="<f4").reshape(FRAMES, 3)
    values_NA.tofile(folder / "actions" / "neck_desired.bin")
    np.testing.assert_array_equal(open_clip(folder).actions["neck_desired"][17], [51, 52, 53])


def test_actions_lie_side_by_side_in_the_order_of_their_names(folder: Path) -> None:
    clip = open_clip(folder)
    frames = np.array([[0, 5], [299, 1]])
    actions = clip.actions_at(frames)
    assert actions.shape == (2, 2, 28)
    column = 0
    for name, width in clip.action_widths.items():
        np.testing.assert_array_equal(actions[..., column : column + width], clip.actions[name][frames])
        column += width


@pytest.mark.parametrize("name", ACTION_WIDTHS)
def test_a_clip_with_some_of_the_actions_is_not_whole(folder: Path, name: str) -> None:
    (folder / "actions" / f"{name}.bin").unlink()
    error = refusal(folder)
    assert error.code == "data.file_missing"
    assert str(folder / "actions" / f"{name}.bin") in error.message


def test_another_action_beside_them_is_no_mistake(folder: Path) -> None:
    np.zeros((FRAMES, 2), "<f4").tofile(folder / "actions" / "arm.bin")
    assert open_clip(folder).action_widths == {"arm": 2, **dict(sorted(ACTION_WIDTHS.items()))}


def test_a_folder_that_is_not_there_is_said_to_be_missing_and_where_data_is_from(tmp_path: Path) -> None:
    error = refusal(tmp_path / "val")
    assert error.code == "data.folder_missing"
    assert f"{tmp_path / 'val'} does not exist" in error.message
    assert "wmc data pull" in error.fix
    assert "wmc data demo" in error.fix


def test_a_clip_without_actions_has_none(folder: Path) -> None:
    for path in (folder / "actions").iterdir():
        path.unlink()
    assert open_clip(folder).actions_at(np.array([1, 2, 3])).shape == (3, 0)


@pytest.mark.parametrize("name", ["metadata.json", "video.bin", "segment_ids.bin"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refusal(folder)
    assert error.code == "data.file_missing"
    assert name in error.message


def test_the_folder_above_a_split_is_told_apart(folder: Path) -> None:
    error = refusal(folder.parent)
    assert error.code == "data.file_missing"
    assert "split's own folder" in error.fix


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"num_images"', b'{"s": 16}'], ids=repr
)
def test_metadata_that_is_no_description_is_refused(folder: Path, text: bytes) -> None:
    (folder / "metadata.json").write_bytes(text)
    assert refusal(folder).code == "data.metadata_unreadable"


@pytest.mark.parametrize("frames", [0, -1, True, 300.0, "300", None, [300]], ids=repr)
def test_a_number_of_frames_must_be_a_positive_whole_number(folder: Path, frames: Any) -> None:
    edit_metadata(folder, num_images=frames)
    assert refusal(folder).code == "data.metadata_unreadable"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("s", 20),
        ("h", 20),
        ("vocab_size", 1000),
        ("hz", 10),
        ("token_dtype", "uint16"),
        ("s", ...),
        ("hz", None),
    ],
)
def test_data_of_another_version_is_told(folder: Path, key: str, value: Any) -> None:
    edit_metadata(folder, **{key: value})
    error = refusal(folder)
    assert error.code == "data.wrong_version"
    assert key in error.message


@pytest.mark.parametrize("name", ["video.bin", "segment_ids.bin"])
@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"", lambda b: b + b])
def test_a_file_of_another_size_is_refused(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    error = refusal(folder)
    assert error.code == "data.size_mismatch"
    assert name in error.message


@pytest.mark.parametrize("frames", [299, 301, 1])
def test_metadata_that_contradicts_the_files_is_refused(folder: Path, frames: int) -> None:
    edit_metadata(folder, num_images=frames)
    assert refusal(folder).code == "data.size_mismatch"


def test_a_file_that_cannot_be_mapped_is_told(folder: Path) -> None:
    (folder / "segment_ids.bin").unlink()
    (folder / "segment_ids.bin").mkdir()
    edit_metadata(folder, num_images=(folder / "segment_ids.bin").stat().st_size // 4)
    frames = json.loads((folder / "metadata.json").read_text())["num_images"]
    if frames == 0:
        pytest.skip("this file system gives folders no size")
    np.zeros((frames, 16, 16), "<u4").tofile(folder / "video.bin")
    assert refusal(folder).code == "data.file_unreadable"


@pytest.mark.parametrize("frame", [0, 1, 225, 299])
def test_a_token_outside_the_vocabulary_is_found_with_its_frame(folder: Path, frame: int) -> None:
    put(folder / "video.bin", "<u4", frame * 256 + 100, CHALLENGE.vocab)
    put(folder / "video.bin", "<u4", 299 * 256 + 255, CHALLENGE.vocab if frame == 299 else 2**32 - 1)
    error = refusal(folder)
    assert error.code == "data.token_out_of_range"
    assert f"frame {frame} holds token 262144," in error.message


def test_a_token_is_checked_in_every_chunk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "_CHECK_CHUNK_FRAMES", 7)
    put(folder / "video.bin", "<u4", 123 * 256, CHALLENGE.vocab)
    assert "frame 123 " in refusal(folder).message


def test_segments_must_not_decrease(folder: Path) -> None:
    put(folder / "segment_ids.bin", "<i4", 10, -1)
    error = refusal(folder)
    assert error.code == "data.segments_decrease"
    assert "from 0 to -1 at frame 10" in error.message


@pytest.mark.parametrize("size", [0, 1, FRAMES * 4 - 1, FRAMES * 4 + 4, FRAMES * 2 * 4 + 2])
def test_actions_whose_size_no_width_explains_are_refused(folder: Path, size: int) -> None:
    (folder / "actions" / "neck_desired.bin").write_bytes(bytes(size))
    error = refusal(folder)
    assert error.code == "data.actions_size"
    assert "neck_desired.bin" in error.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_actions_must_be_finite(folder: Path, value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "_CHECK_CHUNK_FRAMES", 7)
    put(folder / "actions" / "driving_command.bin", "<f4", 2 * 123 + 1, value)
    error = refusal(folder)
    assert error.code == "data.actions_not_finite"
    assert "row 123 " in error.message


def test_the_digest_changes_with_any_byte_of_any_file(folder: Path) -> None:
    digests = {clip_sha256(open_clip(folder))}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) == 3 + len(ACTION_WIDTHS)
    changes = 1
    for path in paths:
        original = path.read_bytes()
        for position in (0, len(original) // 2, len(original) - 1):
            changed = bytearray(original)
            if path.suffix == ".json":  # only what leaves it a valid description
                changed = bytearray(original.replace(b"magvit2", b"magvit%d" % position))
            else:
                changed[position] ^= 1
            path.write_bytes(changed)
            digests.add(_digest_unchecked(folder))
            changes += 1
        path.write_bytes(original)
    assert len(digests) == changes


def _digest_unchecked(folder: Path) -> str:
    """The digest of a folder whose segments may decrease by now."""
    clip = clips.Clip(
        folder=folder,
        metadata=clips.ClipMetadata(num_images=FRAMES),
        tokens_NHW=np.zeros((0, 16, 16), np.uint32),
        segment_ids_N=np.zeros(0, np.int32),
        actions={path.stem: np.zeros((0, 1), np.float32) for path in (folder / "actions").iterdir()},
    )
    return clip_sha256(clip)


def test_the_digest_knows_which_file_holds_which_bytes(folder: Path) -> None:
    before = clip_sha256(open_clip(folder))
    left, right = folder / "actions" / "l_hand_closure.bin", folder / "actions" / "r_hand_closure.bin"
    left_bytes, right_bytes = left.read_bytes(), right.read_bytes()
    left.write_bytes(right_bytes)
    right.write_bytes(left_bytes)
    assert clip_sha256(open_clip(folder)) != before


def test_the_digest_does_not_change_with_times_or_places(folder: Path, tmp_path: Path) -> None:
    before = clip_sha256(open_clip(folder))
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    moved = folder.rename(tmp_path / "elsewhere")
    assert clip_sha256(open_clip(moved)) == before


def test_the_digest_is_the_same_where_hashlib_hashes_no_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    before = clip_sha256(open_clip(folder))
    monkeypatch.delattr(hashlib, "file_digest", raising=False)
    assert clip_sha256(open_clip(folder)) == before
