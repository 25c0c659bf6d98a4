"""Video and images as they are read: which frames, at which times, and which part of them."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.codec.footage import Shot, middle_square, read_images, read_video
from harness.errors import DataInvalid, DependencyMissing

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def save_images(tmp_path: Path) -> Callable[..., Path]:
    """Writes grey images of these brightnesses under these names."""

    def save(names: dict[str, int], *, size: tuple[int, int] = (40, 30)) -> Path:
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for name, grey in names.items():
            Image.new("RGB", size, (grey, grey, grey)).save(folder / name)
        return folder

    return save


def brightnesses(timed: Any) -> list[int]:
    return [round(float(shot.square().mean())) for _, shot in timed]


def failure(timed: Any) -> DataInvalid:
    with pytest.raises(DataInvalid) as caught:
        list(timed)
    return caught.value


def test_every_frame_of_a_video_comes_with_its_time(make_video: Callable[..., Path]) -> None:
    path = make_video([10, 60, 110, 160], hz=25)
    timed = list(read_video(path))
    assert [seconds - timed[0][0] for seconds, _ in timed] == [Fraction(n, 25) for n in range(4)]
    np.testing.assert_allclose(brightnesses(read_video(path)), [10, 60, 110, 160], atol=3)


def test_the_middle_square_is_the_largest_there_is() -> None:
    assert middle_square(640, 480) == (80, 0, 560, 480)
    assert middle_square(480, 640) == (0, 80, 480, 560)
    assert middle_square(256, 256) == (0, 0, 256, 256)


def test_pixels_that_are_not_square_are_taken_for_what_they_are() -> None:
    """A 720x576 picture of 16:15 pixels is 768 wide: 576 of it are 540 pixels."""
    assert middle_square(720, 576, Fraction(16, 15)) == (90, 0, 630, 576)


def picture(width: int, height: int) -> Any:
    """Red on the left, blue on the right, a green dot in the upper left corner of the middle square."""
    pixels_YXC = np.zeros((height, width, 3), np.uint8)
    pixels_YXC[:, : width // 2, 0] = 255
    pixels_YXC[:, width // 2 :, 2] = 255
    left, top, right, _ = (round(edge) for edge in middle_square(width, height))
    dot = (right - left) // 4
    pixels_YXC[top : top + dot, left : left + dot] = (0, 255, 0)
    return Image.fromarray(pixels_YXC)


@pytest.mark.parametrize("size", [(640, 480), (300, 900), (256, 256), (100, 80)])
def test_what_remains_of_a_picture_is_its_middle(size: tuple[int, int]) -> None:
    square_YXC = Shot(picture=picture(*size)).square()
    assert square_YXC.shape == (256, 256, 3)
    assert square_YXC.dtype == np.uint8
    assert square_YXC[20, 20].argmax() == 1
    assert square_YXC[200, 60].argmax() == 0
    assert square_YXC[200, 200].argmax() == 2


@pytest.mark.parametrize(
    ("turned", "corner"), [(0, (20, 20)), (90, (235, 20)), (-90, (20, 235)), (180, (235, 235))]
)
def test_a_picture_is_turned_counterclockwise(turned: int, corner: tuple[int, int]) -> None:
    square_YXC = Shot(picture=picture(300, 200), turned=turned).square()
    assert square_YXC[corner].argmax() == 1


def test_a_fine_pattern_becomes_grey_and_not_a_coarse_one() -> None:
    """Antialiasing: columns that alternate from pixel to pixel, at a quarter of the size."""
    stripes_YXC = np.zeros((1024, 1024, 3), np.uint8)
    stripes_YXC[:, ::2] = 255
    middle_YXC = Shot(picture=Image.fromarray(stripes_YXC)).square()[8:-8, 8:-8]
    assert np.ptp(middle_YXC.astype(int)) <= 4
    assert 120 < middle_YXC.mean() < 135


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_pictures_of_other_modes_become_colours(mode: str) -> None:
    assert Shot(picture=Image.new(mode, (20, 20))).square().shape == (256, 256, 3)


def test_images_come_in_the_order_of_their_numbers(save_images: Callable[..., Path]) -> None:
    folder = save_images({"f10.png": 30, "f9.png": 20, "f1.png": 10, "g0.PNG": 40})
    (folder / "notes.txt").write_text("not an image")
    timed = list(read_images(folder, Fraction(10)))
    assert [seconds for seconds, _ in timed] == [0, Fraction(1, 10), Fraction(2, 10), Fraction(3, 10)]
    assert brightnesses(timed) == [10, 20, 30, 40]


def test_images_are_turned_as_their_camera_says(save_images: Callable[..., Path]) -> None:
    folder = save_images({})
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture(400, 300).save(folder / "a.png", exif=exif)
    ((_, shot),) = read_images(folder, Fraction(1))
    assert shot.square()[20, 235].argmax() == 1


def test_images_of_different_sizes_are_refused_by_name(save_images: Callable[..., Path]) -> None:
    save_images({"a.png": 1})
    folder = save_images({"b.png": 1}, size=(41, 30))
    error = failure(read_images(folder, Fraction(1)))
    assert error.code == "images.sizes_differ"
    assert "b.png has 41x30 pixels, a.png has 40x30" in error.message


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_an_image_that_cannot_be_read_is_named(save_images: Callable[..., Path], content: bytes) -> None:
    folder = save_images({"a.png": 1})
    (folder / "b.png").write_bytes(content)
    error = failure(read_images(folder, Fraction(1)))
    assert error.code == "images.unreadable"
    assert "b.png" in error.message


def test_an_image_that_was_cut_off_is_named(save_images: Callable[..., Path]) -> None:
    folder = save_images({"a.png": 1})
    noise = np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "b.png")
    whole = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    assert failure(read_images(folder, Fraction(1))).code == "images.unreadable"


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"")
    assert failure(read_images(tmp_path, Fraction(1))).code == "images.none"


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_a_video_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("av")
    (tmp_path / "clip.mp4").write_bytes(content)
    error = failure(read_video(tmp_path / "clip.mp4"))
    assert error.code == "video.unreadable"
    assert "clip.mp4" in error.message


def test_sound_without_pictures_is_no_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert failure(read_video(tmp_path / "sound.wav")).code == "video.none"


def test_a_video_without_frames_is_named(make_video: Callable[..., Path]) -> None:
    assert failure(read_video(make_video([]))).code in {"video.empty", "video.unreadable", "video.none"}


def test_a_video_that_leaps_in_time_is_not_one_recording(make_video: Callable[..., Path]) -> None:
    error = failure(read_video(make_video([1, 2, 3, 4], hz=30, times=[0, 1, 2, 30 * 90])))
    assert error.code == "video.times"
    assert "90.00 s" in error.message


@pytest.mark.parametrize("missing", ["av", "PIL"])
def test_a_missing_reader_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    honest = builtins.__import__

    def without(name: str, *args: Any, **words: Any) -> Any:
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return honest(name, *args, **words)

    monkeypatch.delitem(sys.modules, missing, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyMissing) as caught:
        list(read_video(tmp_path / "clip.mp4"))
    assert caught.value.fix == ".venv/bin/pip install -c constraints.txt -e '.[video]'"
    assert {"av": "av", "PIL": "pillow"}[missing] in caught.value.message


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_video_of_a_turned_camera_is_shown_upright(tmp_path: Path, degrees: int) -> None:
    """Players turn it counterclockwise by what the file says; it was recorded turned the other way."""
    av = pytest.importorskip("av")
    upright_YXC = np.asarray(picture(320, 320))
    recorded_YXC = np.ascontiguousarray(np.rot90(upright_YXC, -degrees // 90))
    with av.open(str(tmp_path / "phone.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30, width=320, height=320, pix_fmt="yuv420p")
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write such a video")
        stream.set_display_rotation(degrees)
        stream.bit_rate = 10_000_000
        frame = av.VideoFrame.from_ndarray(recorded_YXC, format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    ((_, shot),) = read_video(tmp_path / "phone.mp4")
    assert shot.turned % 360 == degrees % 360
    assert np.abs(shot.square().astype(int) - Shot(picture=picture(320, 320)).square()).mean() < 8
