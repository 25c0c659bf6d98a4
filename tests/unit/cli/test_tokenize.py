"""`wmc tokenize` as the shell calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.cli import tokenize
from harness.codec.patch import PatchCodec
from harness.data.clips import open_clip
from harness.errors import DataInvalid


@pytest.fixture
def images(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        image.new("RGB", (30, 20), (number * 60,) * 3).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def codec(tmp_path: Path) -> Path:
    views = np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    PatchCodec.fit(views).save(tmp_path / "codec.npz")
    return tmp_path / "codec.npz"


def test_a_folder_of_images_becomes_a_clip_and_its_size_is_shown(
    run_command: Callable[..., None],
    images: Path,
    codec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av")
    out = tmp_path / "clip"
    run_command(
        tokenize, "tokenize", str(images), "-o", str(out), "--codec", str(codec), "--hz-from", "30/31"
    )
    shown, said = capsys.readouterr()
    assert open_clip(out).num_frames == 94
    assert "is ready: 94 frames, 1 segment, 0 disjoint windows" in shown
    assert "226 frames" in said


def test_windows_that_fit_are_counted(
    run_command: Callable[..., None],
    images: Path,
    codec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av")
    command = ["tokenize", str(images), str(images), "-o", str(tmp_path / "clip"), "--codec", str(codec)]
    run_command(tokenize, *command, "--hz-from", "0.3")
    shown, said = capsys.readouterr()
    assert "602 frames, 2 segments, 2 disjoint windows" in shown
    assert "No window" not in said


def test_without_a_codec_the_download_is_named(
    run_command: Callable[..., None], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataInvalid) as caught:
        run_command(tokenize, "tokenize", str(images), "-o", "clip", "--hz-from", "10")
    assert caught.value.code == "codec.missing"
    assert "wmc data pull --codec" in caught.value.fix


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "1/0", "nan"])
def test_a_rate_that_is_none_is_a_usage_error(
    run_command: Callable[..., None], images: Path, rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(tokenize, "tokenize", str(images), "-o", "clip", f"--hz-from={rate}")
    assert caught.value.code == 2
    assert "--hz-from" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rate", ["1e-9", "1e999999999", "0.09", "1000.1", "1e9", "9999999999", "1/2/3", "1.5/2"]
)
def test_a_rate_that_no_camera_has_is_refused_at_once(
    run_command: Callable[..., None], images: Path, rate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_command(tokenize, "tokenize", str(images), "-o", "clip", f"--hz-from={rate}")
    assert rate in capsys.readouterr().err


def test_what_is_too_short_to_train_on_is_said_with_what_a_window_takes(
    run_command: Callable[..., None],
    images: Path,
    codec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av")
    command = ["tokenize", str(images), "-o", str(tmp_path / "clip"), "--codec", str(codec)]
    run_command(tokenize, *command, "--hz-from", "1000")
    said = " ".join(capsys.readouterr().err.split())
    assert "Too short to train on" in said
    assert "226 frames at 30 Hz (7.5 s)" in said
    assert "the longest here has 1." in said


@pytest.mark.parametrize("options", [["--device", "cuda"], ["--precision", "bfloat16"]])
def test_options_of_magvit2_are_not_ignored_in_silence(
    run_command: Callable[..., None],
    images: Path,
    codec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
) -> None:
    pytest.importorskip("av")
    command = [
        "tokenize",
        str(images),
        "-o",
        str(tmp_path / "clip"),
        "--codec",
        str(codec),
        "--hz-from",
        "30",
    ]
    run_command(tokenize, *command, *options)
    assert "this codec computes on the CPU" in " ".join(capsys.readouterr().err.split())


def test_json_is_what_data_info_says_of_the_clip(
    run_command: Callable[..., None],
    images: Path,
    codec: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("av")
    out = tmp_path / "clip"
    run_command(
        tokenize, "tokenize", str(images), "-o", str(out), "--codec", str(codec), "--hz-from", "30", "--json"
    )
    shown = json.loads(capsys.readouterr().out)
    assert (shown["folder"], shown["frames"], shown["windows"]["disjoint"]) == (str(out), 4, 0)
