"""MAGVIT2 against 1X's reference code, and what must hold whatever the weights."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import Trap

from harness.codec.codec import decode_in_blocks
from harness.codec.magvit2 import Magvit2Codec, Precision, latent_of, tokens_of
from harness.errors import DataInvalid, DependencyMissing, UsageError

pytestmark = pytest.mark.torch


def random_tokens(frames: int, *, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(2**18, size=(frames, side, side), dtype=np.uint32)


@pytest.fixture
def golden(torch: Any, golden_checkpoint: Path) -> Magvit2Codec:
    return Magvit2Codec.load(golden_checkpoint, device="cpu")


def test_decoded_images_are_the_references(torch: Any, golden: Magvit2Codec, vectors: Any) -> None:
    with torch.inference_mode():
        images_BZYX = golden.network.decode(latent_of(torch.from_numpy(vectors["tokens"])).float()).numpy()
    np.testing.assert_allclose(images_BZYX[:, :, ::8, ::8], vectors["decoded"], rtol=0, atol=1e-4)


def test_decoded_pixels_are_exactly_the_references(golden: Magvit2Codec, vectors: Any) -> None:
    images_BYXC = golden.decode(vectors["tokens"].astype(np.uint32))
    assert images_BYXC.shape == (2, 256, 256, 3)
    np.testing.assert_array_equal(images_BYXC.transpose(0, 3, 1, 2)[:, :, ::4, ::4], vectors["rgb"])


def test_latents_and_tokens_are_the_references(torch: Any, golden: Magvit2Codec, vectors: Any) -> None:
    image_BCYX = torch.from_numpy(vectors["image"].astype(np.float32) / 127)
    with torch.inference_mode():
        latent_BZHW = golden.network.encode(image_BCYX)
    np.testing.assert_allclose(latent_BZHW.numpy(), vectors["latent"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(tokens_of(latent_BZHW).numpy(), vectors["encoded_tokens_littleendian"])


def test_an_image_of_pixels_gets_the_references_tokens_wherever_rounding_to_pixels_decides_nothing(
    golden: Magvit2Codec, vectors: Any
) -> None:
    """The golden image has values n/127; a pixel p means p/127.5 - 1."""
    image_BCYX = np.rint((vectors["image"].astype(np.float64) / 127 + 1) * 127.5).astype(np.uint8)
    tokens_BHW = golden.encode(image_BCYX.transpose(0, 2, 3, 1))
    sure_BHW = ((np.abs(vectors["latent"]) > 0.02) << np.arange(18)[:, None, None]).sum(1)
    assert np.mean(np.abs(vectors["latent"]) > 0.02) > 0.9
    assert not ((tokens_BHW ^ vectors["encoded_tokens_littleendian"]) & sure_BHW).any()


def test_bfloat16_shows_nearly_the_same_picture(golden_checkpoint: Path, vectors: Any) -> None:
    codec = Magvit2Codec.load(golden_checkpoint, device="cpu", precision=Precision.BFLOAT16)
    rgb_BZYX = codec.decode(vectors["tokens"].astype(np.uint32)).transpose(0, 3, 1, 2)[:, :, ::4, ::4]
    assert np.abs(rgb_BZYX.astype(int) - vectors["rgb"]).mean() < 2


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("frames_per_pass", [1, 3, 64])
def test_how_many_frames_are_computed_at_once_changes_nothing_visible(
    make_checkpoint: Callable[..., Path], precision: Precision, frames_per_pass: int
) -> None:
    path = make_checkpoint()
    tokens_BHW = random_tokens(7)
    load = Magvit2Codec.load
    alone_BYXC = load(path, device="cpu", precision=precision, frames_per_pass=1).decode(tokens_BHW)
    codec = load(path, device="cpu", precision=precision, frames_per_pass=frames_per_pass)
    together_BYXC = codec.decode(tokens_BHW)
    slack = 1 if precision is Precision.FLOAT32 else 4
    assert np.abs(together_BYXC.astype(int) - alone_BYXC).max() <= slack
    assert codec.decode(tokens_BHW[:0]).shape == (0, 16, 16, 3)


def test_a_tokens_lowest_bit_is_the_latents_first_channel(torch: Any) -> None:
    latent_BZHW = latent_of(torch.tensor([[[1, 2**17]]], dtype=torch.int32))
    assert latent_BZHW[0, :, 0, 0].tolist() == [1] + [-1] * 17
    assert latent_BZHW[0, :, 0, 1].tolist() == [-1] * 17 + [1]
    tokens_BHW = torch.from_numpy(random_tokens(3).astype(np.int32))
    assert torch.equal(tokens_of(latent_of(tokens_BHW)), tokens_BHW)


def test_a_level_more_makes_an_image_twice_as_large(make_checkpoint: Callable[..., Path]) -> None:
    codec = Magvit2Codec.load(make_checkpoint(widths=(32, 32, 64, 64)), device="cpu")
    images_BYXC = codec.decode(random_tokens(1))
    assert images_BYXC.shape == (1, 32, 32, 3)
    assert codec.encode(images_BYXC).shape == (1, 4, 4)


def test_arguments_are_left_as_they_were(make_checkpoint: Callable[..., Path]) -> None:
    codec = Magvit2Codec.load(make_checkpoint(), device="cpu")
    tokens_BHW = random_tokens(2)
    images_BYXC = codec.decode(tokens_BHW)
    tokens_BHW.flags.writeable = images_BYXC.flags.writeable = False
    codec.decode(tokens_BHW)
    codec.encode(images_BYXC)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 18, 16, 3), np.uint8),
        np.zeros((1, 16, 16, 3), np.float32),
        np.zeros((16, 16, 3), np.uint8),
    ],
)
def test_images_that_are_not_whole_patches_are_refused(
    make_checkpoint: Callable[..., Path], images: np.ndarray
) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        Magvit2Codec.load(make_checkpoint(), device="cpu").encode(images)


def test_the_digest_follows_the_bytes_of_the_checkpoint_and_the_precision(
    golden_checkpoint: Path, make_checkpoint: Callable[..., Path]
) -> None:
    codecs = [
        Magvit2Codec.load(golden_checkpoint, device="cpu"),
        Magvit2Codec.load(golden_checkpoint, device="cpu", precision=Precision.BFLOAT16),
        Magvit2Codec.load(make_checkpoint(), device="cpu"),
    ]
    assert len({codec.digest for codec in codecs}) == 3
    assert codecs[0].checkpoint_sha256 == hashlib.sha256(golden_checkpoint.read_bytes()).hexdigest()
    assert Magvit2Codec.load(golden_checkpoint, device="cpu").digest == codecs[0].digest


class Watched:
    """A codec that remembers the most frames it was ever given."""

    name = digest = "watched"

    def __init__(self) -> None:
        self.most = 0

    def decode(self, tokens_BHW: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(tokens_BHW))
        return tokens_BHW[..., None].astype(np.uint8)

    def encode(self, images_BYXC: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def test_a_hundred_thousand_frames_stream_through_a_few_at_a_time(tmp_path: Path) -> None:
    tokens_NHW = np.lib.format.open_memmap(tmp_path / "t.npy", "w+", np.uint32, (100_000, 1, 1))
    tokens_NHW[:, 0, 0] = np.arange(100_000) % 251
    codec = Watched()
    seen = 0
    for images_BYXC in decode_in_blocks(codec, tokens_NHW, frames=64):
        np.testing.assert_array_equal(images_BYXC[:, 0, 0, 0], tokens_NHW[seen : seen + 64, 0, 0])
        seen += len(images_BYXC)
    assert seen == 100_000
    assert codec.most == 64


def test_memory_does_not_grow_with_the_number_of_frames(
    torch: Any, make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is never given more than `frames_per_pass` frames."""
    codec = Magvit2Codec.load(make_checkpoint(), device="cpu", frames_per_pass=3)
    given: list[int] = []
    decode = codec.network.decode
    monkeypatch.setattr(codec.network, "decode", lambda latent: given.append(len(latent)) or decode(latent))
    codec.decode(random_tokens(8))
    assert given == [3, 3, 2]


def rejected(path: Path) -> DataInvalid:
    with pytest.raises(DataInvalid) as caught:
        Magvit2Codec.load(path, device="cpu")
    return caught.value


def test_a_missing_checkpoint_is_named_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    error = rejected(tmp_path / "magvit2.ckpt")
    assert error.code == "codec.missing"
    assert "wmc data pull --codec" in error.fix


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint", b"\x80\x02}q\x00."])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "magvit2.ckpt").write_bytes(content)
    assert rejected(tmp_path / "magvit2.ckpt").code == "codec.invalid"


def test_a_checkpoint_that_was_cut_off_is_refused(golden_checkpoint: Path, tmp_path: Path) -> None:
    whole = golden_checkpoint.read_bytes()
    for size in (100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "magvit2.ckpt").write_bytes(whole[:size])
        assert rejected(tmp_path / "magvit2.ckpt").code == "codec.invalid"


def test_a_checkpoint_that_runs_code_is_refused_and_never_run(torch: Any, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"state_dict": Trap(sprung)}, tmp_path / "zip.ckpt")
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(Trap(sprung), protocol=2))
    for name in ("zip.ckpt", "raw.ckpt"):
        assert rejected(tmp_path / name).code == "codec.invalid"
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: s.pop("decoder.conv_out.bias"), "decoder.conv_out.bias is missing"),
        (
            lambda s: s.update({"decoder.up.0.attn.q.weight": s["decoder.conv_in.bias"]}),
            "attn.q.weight is unknown",
        ),
        (
            lambda s: s.update({"encoder.conv_out.weight": s["decoder.conv_in.bias"]}),
            "encoder.conv_out.weight has",
        ),
        (lambda s: [s.pop(key) for key in list(s) if key.startswith("decoder.")], "decoder"),
        (lambda s: s.clear(), "decoder"),
    ],
)
def test_a_checkpoint_of_another_layout_is_refused_by_the_keys_that_differ(
    make_checkpoint: Callable[..., Path], change: Any, named: str
) -> None:
    error = rejected(make_checkpoint(change=change))
    assert error.code == "codec.layout"
    assert named in error.message
    assert len(error.message) < 600


def test_a_device_that_is_not_there_is_named(golden_checkpoint: Path, torch: Any) -> None:
    missing = "cuda" if not torch.cuda.is_available() else "cuda:99"
    for device in (missing, "abacus"):
        with pytest.raises(UsageError) as caught:
            Magvit2Codec.load(golden_checkpoint, device=device)
        assert caught.value.code == "usage.device"


def test_without_torch_the_extra_is_named(golden_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyMissing) as caught:
        Magvit2Codec.load(golden_checkpoint)
    assert ".venv/bin/pip install -c constraints.txt -e '.[codec]'" in caught.value.fix
