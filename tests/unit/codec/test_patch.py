"""The patch codec: images to tokens and back, exactly reproducible, and a file that others cannot spoil."""

from __future__ import annotations

import pickle
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from stand_ins import Trap

from harness.codec.patch import PatchCodec, gray_decode, gray_encode
from harness.codec.patch_fit import SCALE
from harness.errors import DataInvalid


def scenery(images: int, *, seed: int = 0, side: int = 64) -> NDArray[np.uint8]:
    """Smooth coloured pictures with some grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [
        rng.uniform(0, 60, (images, 1, 1, 3))
        * np.sin(
            rng.uniform(1, 9, (images, 1, 1, 3)) * (x * rng.normal() + y * rng.normal())[None, :, :, None]
        )
        for _ in range(3)
    ]
    grain = rng.normal(0, 2, (images, side, side, 3))
    return np.clip(120 + sum(waves) + grain, 0, 255).astype(np.uint8)


@cache
def fitted() -> PatchCodec:
    return PatchCodec.fit(scenery(40))


@pytest.fixture
def codec() -> PatchCodec:
    return fitted()


@given(st.integers(0, 2**18 - 2))
def test_neighbouring_cells_differ_in_one_bit(cell: int) -> None:
    codes = gray_encode(np.array([cell, cell + 1]))
    assert int(codes[0] ^ codes[1]).bit_count() == 1


@given(st.lists(st.integers(0, 2**18 - 1), min_size=1))
def test_gray_codes_decode_to_their_cells(cells: list[int]) -> None:
    np.testing.assert_array_equal(gray_decode(gray_encode(np.array(cells))), cells)


def test_pictures_survive_and_strange_ones_survive_less(codec: PatchCodec) -> None:
    def psnr(images_BYXC: NDArray[np.uint8]) -> float:
        decoded_BYXC = codec.decode(codec.encode(images_BYXC))
        error = np.mean((images_BYXC.astype(float) - decoded_BYXC) ** 2)
        return float(10 * np.log10(255**2 / error))

    noise = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3)).astype(np.uint8)
    assert psnr(scenery(10, seed=1)) > 20
    assert psnr(noise) < 15


def test_tokens_have_a_place_per_patch_and_18_bits(codec: PatchCodec) -> None:
    tokens_BHW = codec.encode(scenery(20))
    assert (tokens_BHW.shape, tokens_BHW.dtype) == ((20, 4, 4), np.uint32)
    assert tokens_BHW.max() < 2**18
    assert np.bitwise_or.reduce(tokens_BHW, axis=None) == 2**18 - 1


@given(st.integers(0, 10), st.integers(0, 3), st.integers(0, 3))
def test_a_token_depends_on_its_own_patch_alone(seed: int, row: int, column: int) -> None:
    codec, image_YXC = fitted(), scenery(1, seed=seed)[0]
    patch_YXC = image_YXC[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
    assert codec.encode(patch_YXC[None])[0, 0, 0] == codec.encode(image_YXC[None])[0, row, column]


def test_decoding_is_a_fixed_point_for_most_tokens(codec: PatchCodec) -> None:
    """A cell's own picture falls into that cell again, unless pixels had to be clipped or rounded over an edge."""
    tokens_BHW = codec.encode(scenery(20, seed=2))
    assert np.mean(codec.encode(codec.decode(tokens_BHW)) == tokens_BHW) > 0.9


def test_near_patches_are_near_in_bits(codec: PatchCodec) -> None:
    tokens = codec.encode(scenery(20, seed=3))
    brighter = codec.encode(np.clip(scenery(20, seed=3).astype(int) + 2, 0, 255).astype(np.uint8))
    shuffled = np.random.default_rng(0).permutation(tokens.ravel()).reshape(tokens.shape)
    near, far = (np.bitwise_count(tokens ^ other).mean() for other in (brighter, shuffled))
    assert near < far / 4


def test_projections_are_exact_so_that_no_blas_can_change_a_token(codec: PatchCodec) -> None:
    assert (codec.weights_KD == np.rint(codec.weights_KD)).all()
    assert np.abs(codec.weights_KD.astype(np.int64)).sum(1).max() * 255 < 2**24
    assert np.abs(codec.weights_KD).max() <= SCALE


def test_batches_do_not_change_tokens(codec: PatchCodec) -> None:
    images_BYXC = scenery(70, seed=4)
    alone = np.concatenate([codec.encode(images_BYXC[i : i + 1]) for i in range(70)])
    np.testing.assert_array_equal(codec.encode(images_BYXC), alone)


def test_the_same_images_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        PatchCodec.fit(scenery(8)).save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}


def test_a_saved_codec_is_the_same_codec(codec: PatchCodec, tmp_path: Path) -> None:
    codec.save(tmp_path / "codec.npz")
    loaded = PatchCodec.load(tmp_path / "codec.npz")
    tokens_BHW = codec.encode(scenery(3, seed=5))
    np.testing.assert_array_equal(loaded.encode(scenery(3, seed=5)), tokens_BHW)
    np.testing.assert_array_equal(loaded.decode(tokens_BHW), codec.decode(tokens_BHW))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 20, 16, 3), np.uint8),
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((16, 16, 3), np.uint8),
        np.zeros((1, 16, 16, 4), np.uint8),
    ],
)
def test_images_that_are_not_whole_patches_are_refused(codec: PatchCodec, images: Any) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        codec.encode(images)


def test_a_missing_codec_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as error:
        PatchCodec.load(tmp_path / "codec.npz")
    assert error.value.code == "codec.missing"


def arrays(codec: PatchCodec, **changes: Any) -> dict[str, Any]:
    return {name: getattr(codec, name) for name in PatchCodec.__dataclass_fields__} | changes


@pytest.mark.parametrize(
    "change",
    [
        {"bits_K": np.array([18, 1])},
        {"bits_K": np.array([[18]])},
        {"bits_K": np.array([], np.int64)},
        {"bits_K": np.full(11, 1.5)},
        {"shift_K": np.zeros(11, np.int64)},
        {"shift_K": np.array([-(2**40)] * 11)},
        {"mean_D": np.zeros(5, np.float32)},
        {"mean_D": np.zeros(768, np.float64)},
        {"weights_KD": np.zeros((1, 768), np.float32)},
        {"edges_KL": np.full((11, 3), np.nan, np.float32)},
        {"levels_KL": np.array(["a"])},
    ],
)
def test_arrays_that_are_no_codec_are_refused(
    codec: PatchCodec, tmp_path: Path, change: dict[str, Any]
) -> None:
    np.savez(tmp_path / "codec.npz", **arrays(codec, **change))
    with pytest.raises(DataInvalid) as error:
        PatchCodec.load(tmp_path / "codec.npz")
    assert error.value.code == "codec.invalid"


def test_an_array_that_is_missing_is_refused(codec: PatchCodec, tmp_path: Path) -> None:
    np.savez(tmp_path / "codec.npz", bits_K=codec.bits_K)
    with pytest.raises(DataInvalid):
        PatchCodec.load(tmp_path / "codec.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"not a codec"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "codec.npz").write_bytes(content)
    with pytest.raises(DataInvalid):
        PatchCodec.load(tmp_path / "codec.npz")


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "codec.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(DataInvalid):
        PatchCodec.load(tmp_path / "codec.npz")


def test_a_pickle_is_refused_and_never_run(codec: PatchCodec, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], object)
    np.savez(tmp_path / "codec.npz", **arrays(codec, mean_D=trap))
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("codec.npz", "raw.npz"):
        with pytest.raises(DataInvalid):
            PatchCodec.load(tmp_path / name)
    assert not sprung.exists()


def test_the_digest_follows_the_arrays_and_survives_the_disk(codec: PatchCodec, tmp_path: Path) -> None:
    codec.save(tmp_path / "codec.npz")
    assert PatchCodec.load(tmp_path / "codec.npz").digest == codec.digest
    other = PatchCodec(**arrays(codec, mean_D=codec.mean_D + 1))
    assert other.digest != codec.digest
