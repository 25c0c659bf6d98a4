"""`wmc visualize` as the shell calls it: files that can be opened, and nothing written over anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.cli import visualize
from harness.codec.patch import PatchCodec
from harness.data.generated import Generated, write_generated
from harness.errors import DataInvalid, OutputFailed, UsageError

RunCommand = Callable[..., None]


@pytest.fixture(scope="module")
def codec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("codec") / "codec.npz"
    images = np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    PatchCodec.fit(images).save(path)
    return path


@pytest.fixture
def generated(tmp_path: Path, codec_file: Path) -> Path:
    """Five windows that name their codec."""
    rng = np.random.default_rng(1)
    truth_BTHW, tokens_BTHW = rng.integers(1 << 18, size=(2, 5, 16, 16, 16), dtype=np.uint32)
    made = Generated(
        tokens_BTHW=tokens_BTHW,
        truth_BTHW=truth_BTHW,
        prompt_frames=8,
        tokenizer_ckpt=str(codec_file),
        settings={},
    )
    write_generated(tmp_path / "made", made)
    return tmp_path / "made"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_has_both_kinds_for_each_window(
    generated: Path, run_command: RunCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    run_command(visualize, "visualize", str(generated), "-o", str(out), "--windows", "2", "--fps", "4")
    expected = ["window_000.gif", "window_000.png", "window_001.gif", "window_001.png"]
    assert names(out) == expected
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in expected]
    with Image.open(out / "window_001.gif") as animation:
        assert (animation.n_frames, animation.info["duration"]) == (16, 250)
    assert names(tmp_path / "deep") == ["out"]


def test_one_kind_can_be_asked_for_and_the_rest_is_mentioned(
    generated: Path, run_command: RunCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / "out"), "--comic")
    assert names(tmp_path / "out") == [f"window_00{number}.png" for number in range(4)]
    assert "4 of 5 windows shown" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["all.gif", "ALL.GIF"])
def test_a_gif_shows_one_window_after_the_other(
    generated: Path, run_command: RunCommand, tmp_path: Path, name: str
) -> None:
    run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / name), "--windows", "2")
    with Image.open(tmp_path / name) as animation:
        assert (animation.format, animation.n_frames) == ("GIF", 32)


def test_an_image_holds_the_windows_one_below_the_other(
    generated: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    for count in ("1", "3"):
        run_command(
            visualize, "visualize", str(generated), "-o", str(tmp_path / f"{count}.png"), "--windows", count
        )
    with Image.open(tmp_path / "1.png") as one, Image.open(tmp_path / "3.png") as three:
        assert (three.width, three.height) == (one.width, 3 * one.height)


def test_a_split_is_shown_with_the_codec_that_was_named(
    make_clip: Callable[..., Path], codec_file: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    run_command(
        visualize,
        "visualize",
        str(make_clip((226,))),
        "-o",
        str(tmp_path / "out"),
        "--codec",
        str(codec_file),
    )
    assert names(tmp_path / "out") == ["window_000.gif", "window_000.png"]


def test_a_split_without_its_codec_is_an_error_with_what_to_do(
    make_clip: Callable[..., Path], run_command: RunCommand, tmp_path: Path
) -> None:
    with pytest.raises(DataInvalid) as caught:
        run_command(visualize, "visualize", str(make_clip((226,))), "-o", str(tmp_path / "out"))
    assert caught.value.code == "codec.missing"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out", "out.gif"])
def test_what_is_there_stays(generated: Path, run_command: RunCommand, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError) as caught:
        run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / name))
    assert caught.value.code == "usage.output_exists"
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.png", ["--gif"]),
        ("out.gif", ["--comic"]),
        ("out.gif", ["--gif", "--comic"]),
    ],
)
def test_one_file_cannot_hold_both_kinds(
    generated: Path, run_command: RunCommand, tmp_path: Path, name: str, options: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / name), *options)
    assert caught.value.code == "usage.one_file"


def test_too_many_windows_for_one_file_are_refused(
    make_clip: Callable[..., Path], codec_file: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    clip = make_clip((226,) * 17)
    where = [str(clip), "-o", str(tmp_path / "out.gif"), "--codec", str(codec_file)]
    with pytest.raises(UsageError, match="17 windows do not fit into one file"):
        run_command(visualize, "visualize", *where, "--windows", "100")


def test_a_place_that_cannot_be_written_is_an_error(
    generated: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputFailed):
        run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / "file" / "out"))


@pytest.mark.parametrize(
    "options", [["--fps", "0"], ["--fps", "nan"], ["--fps", "51"], ["--windows", "0"], ["--windows", "x"]]
)
def test_numbers_without_sense_are_refused(
    generated: Path, run_command: RunCommand, tmp_path: Path, options: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / "out"), *options)


@pytest.mark.parametrize("name", ["a.jpg", "a.WEBP", "a.mp4"])
def test_a_picture_that_is_not_written_does_not_become_a_folder(
    generated: Path, run_command: RunCommand, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run_command(visualize, "visualize", str(generated), "-o", str(tmp_path / name))
    assert caught.value.code == "usage.picture_suffix"
    assert not (tmp_path / name).exists()


def test_a_second_time_the_folder_of_the_first_stays(
    generated: Path, run_command: RunCommand, tmp_path: Path
) -> None:
    command = ["visualize", str(generated), "-o", str(tmp_path / "out"), "--comic"]
    run_command(visualize, *command, "--windows", "1")
    with pytest.raises(UsageError, match="is there already"):
        run_command(visualize, *command)
    assert names(tmp_path / "out") == ["window_000.png"]
