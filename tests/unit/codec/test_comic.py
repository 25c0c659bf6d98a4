"""Strips show every frame in its place, mark what a model was given, and stay small."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, features

from harness.codec.comic import ON_A_PAGE, POSTER, Look, draw_comic, small_file
from harness.codec.lettering import PROMPT_COLOUR
from harness.codec.scenes import Scene
from harness.errors import DependencyMissing

TRUTH_TYXC = np.broadcast_to(
    np.arange(16, dtype=np.uint8)[:, None, None, None] * [1, 0, 0] + [0, 200, 0], (16, 32, 32, 3)
).astype(np.uint8)
"""Frame t is of the colour (t, 200, 0)."""

GENERATED_TYXC = np.where(np.arange(16)[:, None, None, None] < 8, TRUTH_TYXC, TRUTH_TYXC[:, :, :, [2, 0, 1]])
"""From frame 8 on of the colour (0, t, 200)."""

RECORDED = Scene(title="window 3", truth_TYXC=TRUTH_TYXC)
CONTINUED = replace(RECORDED, generated_TYXC=GENERATED_TYXC.astype(np.uint8), prompt_frames=8)


def colours_in_order(image: Image.Image, y: int) -> list[tuple[int, ...]]:
    """The colours of a line of pixels, from left to right, that fill at least 20 of them."""
    line = [tuple(pixel[:3]) for pixel in np.asarray(image)[y].tolist()]
    found: list[tuple[int, ...]] = []
    for x in range(len(line) - 20):
        if len(set(line[x : x + 20])) == 1 and line[x] not in (*found[-1:], (255,) * 3, (118,) * 3):
            found.append(line[x])
    return found


@pytest.mark.parametrize("look", [POSTER, ON_A_PAGE])
def test_truth_runs_above_and_what_was_generated_below(look: Look) -> None:
    image = draw_comic(CONTINUED, look)
    bottom = round(1.4 * look.letter)
    lower = image.height - bottom - look.cell // 2
    upper = lower - look.cell - look.gap
    assert colours_in_order(image, upper) == [(t, 200, 0) for t in range(16)]
    assert colours_in_order(image, lower) == [(t, 200, 0) for t in range(8)] + [
        (0, t, 200) for t in range(8, 16)
    ]


def test_a_recording_has_one_row() -> None:
    one, two = draw_comic(RECORDED), draw_comic(CONTINUED)
    assert two.height - one.height >= POSTER.cell
    assert colours_in_order(one, one.height - 150) == [(t, 200, 0) for t in range(16)]


@pytest.mark.parametrize("prompt_frames", [1, 8])
def test_the_bar_over_the_prompt_is_as_long_as_the_prompt(prompt_frames: int) -> None:
    image = draw_comic(replace(CONTINUED, prompt_frames=prompt_frames))
    marked_X = (np.asarray(image) == PROMPT_COLOUR).all(axis=2).sum(axis=0) >= POSTER.gap
    expected = prompt_frames * (POSTER.cell + POSTER.gap) - POSTER.gap
    bar = np.flatnonzero(marked_X)
    assert bar[-1] - bar[0] + 1 == expected
    assert not (np.asarray(draw_comic(RECORDED)) == PROMPT_COLOUR).all(axis=2).any()


def test_a_strip_for_a_page_lets_the_page_through() -> None:
    alpha_YX = np.asarray(draw_comic(CONTINUED, ON_A_PAGE))[..., 3]
    assert alpha_YX[0, 0] == 0
    assert alpha_YX[-60, 100] == 255
    assert np.asarray(draw_comic(CONTINUED, POSTER))[..., 3].min() == 255


def noise(frames: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(frames, 256, 256, 3), dtype=np.uint8)


def test_a_small_file_is_webp_and_keeps_its_size_where_it_fits() -> None:
    image = draw_comic(CONTINUED, ON_A_PAGE)
    small = small_file(image, most_bytes=40_000)
    assert small.suffix == "webp"
    assert len(small.content) <= 40_000
    with Image.open(io.BytesIO(small.content)) as kept:
        assert (kept.format, kept.size) == ("WEBP", image.size)
        assert (small.width, small.height) == image.size
        assert kept.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(("webp", "magic"), [(True, b"RIFF"), (False, b"\x89PNG")])
def test_even_noise_fits(monkeypatch: pytest.MonkeyPatch, webp: bool, magic: bytes) -> None:
    monkeypatch.setattr(features, "check", lambda feature: webp)
    scene = Scene(title="noise", truth_TYXC=noise(), generated_TYXC=noise(), prompt_frames=1)
    small = small_file(draw_comic(scene, ON_A_PAGE), most_bytes=20_000)
    assert small.content.startswith(magic)
    assert small.suffix == ("webp" if webp else "png")
    assert len(small.content) <= 20_000
    with Image.open(io.BytesIO(small.content)) as kept:
        assert (small.width, small.height) == kept.size


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DependencyMissing) as caught:
        draw_comic(RECORDED)
    assert caught.value.fix == ".venv/bin/pip install -c constraints.txt -e '.[pictures]'"
