"""Generated windows on disk: read back as written, valid clips, and never over something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import open_clip
from harness.data.generated import Generated, is_generated, open_generated, write_generated
from harness.data.windows import Schedule, find_segments, window_starts
from harness.errors import DataInvalid, OutputFailed, UsageError
from harness.spec import CHALLENGE

PROMPT = 6


@pytest.fixture
def generated() -> Generated:
    """Three windows, a quarter of whose predicted tokens are right in the second and none elsewhere."""
    truth_BTHW = np.random.default_rng(0).integers(CHALLENGE.vocab, size=(3, 16, 16, 16), dtype=np.uint32)
    tokens_BTHW = truth_BTHW.copy()
    tokens_BTHW[:, PROMPT:] ^= 1
    tokens_BTHW[1, PROMPT:, :8, :8] ^= 1
    return Generated(
        tokens_BTHW=tokens_BTHW,
        truth_BTHW=truth_BTHW,
        prompt_frames=PROMPT,
        tokenizer_ckpt="codec.npz",
        settings={"examples": [4, 0, 2], "temperature": 0.5},
    )


def test_it_is_read_back_as_it_was_written(tmp_path: Path, generated: Generated) -> None:
    write_generated(tmp_path / "made" / "here", generated)
    found = open_generated(tmp_path / "made" / "here")
    np.testing.assert_array_equal(found.tokens_BTHW, generated.tokens_BTHW)
    np.testing.assert_array_equal(found.truth_BTHW, generated.truth_BTHW)
    assert found.settings == generated.settings
    assert (found.prompt_frames, found.tokenizer_ckpt) == (PROMPT, "codec.npz")


def test_accuracy_is_that_of_the_predicted_frames(generated: Generated) -> None:
    assert generated.accuracy_B.tolist() == [0, 0.25, 0]


def test_it_is_a_clip_at_2_hz_with_a_segment_a_window(tmp_path: Path, generated: Generated) -> None:
    write_generated(tmp_path / "made", generated)
    for folder in (tmp_path / "made", tmp_path / "made" / "truth"):
        spec = CHALLENGE.at_window_rate
        clip = open_clip(folder, spec)
        assert clip.metadata.hz == 2
        starts = window_starts(find_segments(clip.segment_ids_N), Schedule.DISJOINT, spec)
        assert starts.tolist() == [0, 16, 32]


def test_it_is_not_taken_for_data_at_30_hz(tmp_path: Path, generated: Generated) -> None:
    write_generated(tmp_path / "made", generated)
    with pytest.raises(DataInvalid, match="hz is 2, the challenge's is 30"):
        open_clip(tmp_path / "made")


def test_metadata_names_the_settings_and_keeps_the_formats_own_keys(
    tmp_path: Path, generated: Generated
) -> None:
    write_generated(tmp_path / "made", generated)
    metadata = json.loads((tmp_path / "made" / "metadata.json").read_text())
    assert metadata.pop("generation") == {
        "prompt_frames": PROMPT,
        "examples": [4, 0, 2],
        "temperature": 0.5,
    }
    assert metadata == json.loads((tmp_path / "made" / "truth" / "metadata.json").read_text())
    assert metadata["num_images"] == 48


def test_what_is_there_stays(tmp_path: Path, generated: Generated) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    for name in ("made", "broken"):
        with pytest.raises(UsageError, match=f"{name} is there already"):
            write_generated(tmp_path / name, generated)
    assert list((tmp_path / "made").iterdir()) == []


def test_a_failure_leaves_nothing_behind(tmp_path: Path, generated: Generated, monkeypatch) -> None:
    def full(*_args: object, **_words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.data.generated.write_clip", full)
    with pytest.raises(OutputFailed, match="No space left on device"):
        write_generated(tmp_path / "made", generated)
    assert list(tmp_path.iterdir()) == []


def test_generated_folders_are_told_from_splits(
    tmp_path: Path, generated: Generated, make_clip: Callable[..., Path]
) -> None:
    write_generated(tmp_path / "made", generated)
    assert is_generated(tmp_path / "made")
    assert not is_generated(make_clip((226,)))
    assert not is_generated(tmp_path / "made" / "truth")


@pytest.mark.parametrize("settings", [None, {}, {"prompt_frames": "8"}, {"prompt_frames": 16}, [8]])
def test_a_clip_without_settings_is_refused(tmp_path: Path, generated: Generated, settings: object) -> None:
    write_generated(tmp_path / "made", generated)
    path = tmp_path / "made" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"generation": settings}))
    with pytest.raises(DataInvalid) as caught:
        open_generated(tmp_path / "made")
    assert caught.value.code == "data.not_generated"


def test_a_truth_of_other_windows_is_refused(tmp_path: Path, generated: Generated) -> None:
    write_generated(tmp_path / "made", generated)
    truth = tmp_path / "made" / "truth"
    metadata = json.loads((truth / "metadata.json").read_text())
    (truth / "metadata.json").write_text(json.dumps(metadata | {"num_images": 32}))
    for name, frame_bytes in (("video.bin", 1024), ("segment_ids.bin", 4)):
        (truth / name).write_bytes((truth / name).read_bytes()[: 32 * frame_bytes])
    with pytest.raises(DataInvalid) as caught:
        open_generated(tmp_path / "made")
    assert caught.value.code == "data.not_generated"
