"""Which codec is opened, and what is said when it is not there."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.choose import open_codec
from harness.codec.patch import PatchCodec
from harness.errors import DataInvalid, DependencyMissing, UsageError


@pytest.fixture(scope="module")
def patch_codec() -> PatchCodec:
    return PatchCodec.fit(np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8))


def clip_naming(folder: Path, tokenizer: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps({"num_images": 1, "tokenizer_ckpt": tokenizer}))
    return folder


def test_the_demos_codec_is_found_from_the_clips_folder(tmp_path: Path, patch_codec: PatchCodec) -> None:
    patch_codec.save(tmp_path / "codec.npz")
    codec = open_codec(clip_naming(tmp_path / "val", "../codec.npz"))
    assert codec.name == "patch"
    assert codec.digest == patch_codec.digest


@pytest.mark.torch
@pytest.mark.parametrize("start", [".", "data/val_v1.1", "/"])
def test_the_challenges_codec_is_found_beside_the_split_from_wherever(
    tmp_path: Path, golden_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    clip = clip_naming(tmp_path / "data" / "val_v1.1", "data/magvit2.ckpt")
    shutil.copy(golden_checkpoint, tmp_path / "data" / "magvit2.ckpt")
    monkeypatch.chdir(tmp_path / start)
    assert open_codec(clip, device="cpu").name == "magvit2"


@pytest.mark.torch
def test_the_challenges_codec_is_found_where_the_metadata_says(
    tmp_path: Path, golden_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_naming(tmp_path / "elsewhere" / "val", "data/magvit2.ckpt")
    (tmp_path / "data").mkdir()
    shutil.copy(golden_checkpoint, tmp_path / "data" / "magvit2.ckpt")
    monkeypatch.chdir(tmp_path)
    assert open_codec(clip, device="cpu").name == "magvit2"


def test_a_choice_overrides_the_metadata(tmp_path: Path, patch_codec: PatchCodec) -> None:
    patch_codec.save(tmp_path / "mine.npz")
    clip = clip_naming(tmp_path / "val", "data/magvit2.ckpt")
    assert open_codec(clip, str(tmp_path / "mine.npz")).name == "patch"


@pytest.mark.parametrize("choice", [None, "somewhere/magvit2.ckpt"])
def test_a_missing_checkpoint_is_an_operators_error_with_the_command_even_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str | None
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DataInvalid) as caught:
        open_codec(clip_naming(tmp_path / "val", "data/magvit2.ckpt"), choice)
    assert caught.value.code == "codec.missing"
    assert "`wmc data pull --codec`" in caught.value.fix
    assert "magvit2.ckpt" in caught.value.message


def test_without_torch_a_checkpoint_that_is_there_names_the_extra(
    tmp_path: Path, golden_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyMissing) as caught:
        open_codec(tmp_path, str(golden_checkpoint))
    assert ".venv/bin/pip install -c constraints.txt -e '.[codec]'" in caught.value.fix


def test_a_missing_demo_codec_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as caught:
        open_codec(clip_naming(tmp_path / "val", "../codec.npz"))
    assert caught.value.code == "codec.missing"


@pytest.mark.parametrize("tokenizer", ["", None, 3])
def test_metadata_that_names_no_codec_says_so(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(DataInvalid) as caught:
        open_codec(clip_naming(tmp_path / "val", tokenizer))
    assert caught.value.code == "codec.not_named"
    assert "--codec" in caught.value.fix


@pytest.mark.parametrize("content", [None, b"\xff", b"{", b"[]"])
def test_metadata_that_cannot_be_read_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "metadata.json").write_bytes(content)
    with pytest.raises(DataInvalid):
        open_codec(tmp_path)


def test_a_name_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_codec(tmp_path, "codec.safetensors")
    assert caught.value.code == "usage.codec"
