"""1X's own codec: MAGVIT2, 18 bits for each 16x16 patch of a 256x256 image.

Token and latent: channel c is 1 where bit c of the token is set, else -1; c = 0 is the lowest bit.

Axes: B frames, H and W tokens, Y and X pixels, C colours, Z bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.codec.magvit2_checkpoint import read_state
from harness.codec.magvit2_layout import BITS, COLOURS, Layout, read_layout
from harness.codec.magvit2_network import Network, place
from harness.data.weights import require_torch
from harness.disk.digests import file_sha256
from harness.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_FRAMES_PER_PASS = {"cpu": 1, "cuda": 16}


class Precision(str, Enum):
    """What the network computes in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True, eq=False)
class Magvit2Codec:
    """Tokens to images and back; make one with `load`.

    Attributes:
        network: encoder and decoder, on `device` and in `precision`.
        layout: their sizes.
        device: where they compute.
        precision: what they compute in.
        memory_format: of images and latents on the way through.
        frames_per_pass: how many frames are computed at once; memory grows with it.
        checkpoint_sha256: of the file they came from.
    """

    network: Network
    layout: Layout
    device: str
    precision: Precision
    memory_format: torch.memory_format
    frames_per_pass: int
    checkpoint_sha256: str

    @staticmethod
    def load(
        path: Path,
        *,
        device: str | None = None,
        precision: Precision = Precision.FLOAT32,
        frames_per_pass: int | None = None,
    ) -> Magvit2Codec:
        """The codec in a checkpoint of MAGVIT2's layout, whatever its widths; nothing in the file is run.

        On `device` (None: the GPU if there is one), `frames_per_pass` frames at once (None: what suits the device).
        Raises: DependencyMissing, DataInvalid, UsageError.
        """
        require_torch("MAGVIT2")
        import torch

        device = _device(device)
        state = read_state(path)
        layout = read_layout({key: tuple(value.shape) for key, value in state.items()}, source=str(path))
        memory_format = _memory_format(device, precision)
        weights = place(
            state, device=device, dtype=getattr(torch, precision.value), memory_format=memory_format
        )
        return Magvit2Codec(
            network=Network(weights, layout),
            memory_format=memory_format,
            layout=layout,
            device=device,
            precision=precision,
            frames_per_pass=frames_per_pass or _FRAMES_PER_PASS.get(device.partition(":")[0], 1),
            checkpoint_sha256=file_sha256(path),
        )

    @property
    def name(self) -> str:
        """What records and metadata call it."""
        return "magvit2"

    @property
    def digest(self) -> str:
        """sha256 of the checkpoint's own and the precision; devices differ only in rounding."""
        words = f"{self.name}\0{self.checkpoint_sha256}\0{self.precision.value}"
        return hashlib.sha256(words.encode()).hexdigest()

    def decode(self, tokens_BHW: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Images uint8 [B,16*H,16*W,3] of tokens [B,H,W]."""
        batch, height, width = tokens_BHW.shape
        patch = self.layout.patch
        images_BYXC = np.empty((batch, patch * height, patch * width, COLOURS), np.uint8)
        self._in_passes(self._decode_few, tokens_BHW, images_BYXC)
        return images_BYXC

    def encode(self, images_BYXC: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Tokens uint32 [B,H,W] of images uint8 [B,16*H,16*W,3]."""
        patch, shape = self.layout.patch, images_BYXC.shape
        if (
            images_BYXC.dtype != np.uint8
            or len(shape) != 4
            or shape[3] != COLOURS
            or shape[1] % patch
            or shape[2] % patch
        ):
            raise ValueError(
                f"expected uint8 [B,{patch}*H,{patch}*W,3], got {images_BYXC.dtype} {list(shape)}"
            )
        tokens_BHW = np.empty((shape[0], shape[1] // patch, shape[2] // patch), np.uint32)
        self._in_passes(self._encode_few, images_BYXC, tokens_BHW)
        return tokens_BHW

    def _in_passes(
        self, work: Callable[[NDArray[Any]], NDArray[Any]], given: NDArray[Any], out: NDArray[Any]
    ) -> None:
        """Fill `out` a few frames at a time."""
        import torch

        exact = {"enabled": True, "allow_tf32": False}  # else a GPU would round float32 to ten bits
        with torch.inference_mode(), torch.backends.cudnn.flags(**exact):
            for start in range(0, len(given), self.frames_per_pass):
                few = slice(start, start + self.frames_per_pass)
                out[few] = work(given[few])

    def _decode_few(self, tokens_BHW: NDArray[np.uint32]) -> NDArray[np.uint8]:
        import torch

        tokens = torch.from_numpy(tokens_BHW.astype(np.int32)).to(self.device)
        latent_BZHW = latent_of(tokens).to(getattr(torch, self.precision.value))
        images_BCYX = self.network.decode(latent_BZHW.contiguous(memory_format=self.memory_format)).float()
        pixels_BYXC = images_BCYX.permute(0, 2, 3, 1).add(1).mul(127.5).clamp(0, 255).to(torch.uint8)
        decoded: NDArray[np.uint8] = pixels_BYXC.cpu().numpy()
        return decoded

    def _encode_few(self, images_BYXC: NDArray[np.uint8]) -> NDArray[np.uint32]:
        import torch

        pixels_BCYX = torch.from_numpy(np.array(images_BYXC, order="C")).to(self.device).permute(0, 3, 1, 2)
        images_BCYX = (pixels_BCYX.float() / 127.5 - 1).to(getattr(torch, self.precision.value))
        latent_BZHW = self.network.encode(images_BCYX.contiguous(memory_format=self.memory_format))
        tokens: NDArray[np.uint32] = tokens_of(latent_BZHW).cpu().numpy().astype(np.uint32)
        return tokens


def latent_of(tokens_BHW: Tensor) -> Tensor:
    """-1 and 1 [B,Z,H,W] for the bits of int32 tokens [B,H,W], lowest first."""
    return (tokens_BHW[:, None] >> _places_Z11(tokens_BHW) & 1) * 2 - 1


def tokens_of(latent_BZHW: Tensor) -> Tensor:
    """Tokens [B,H,W] whose bits are the signs of latents [B,Z,H,W]."""
    return ((latent_BZHW > 0).int() << _places_Z11(latent_BZHW)).sum(1)


def _places_Z11(beside: Tensor) -> Tensor:
    import torch

    return torch.arange(BITS, device=beside.device, dtype=torch.int32)[:, None, None]


def _device(wanted: str | None) -> str:
    """`wanted`, if torch has it; the GPU if nothing is wanted and there is one."""
    import torch

    if wanted is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"torch cannot compute on {wanted!r}: {str(error).splitlines()[0]}",
            code="usage.device",
            fix="name cpu, or cuda where nvidia-smi lists a GPU and this torch is built for CUDA",
        ) from error
    return wanted


def _memory_format(device: str, precision: Precision) -> torch.memory_format:
    """Channels-last, except where torch's group norm is inexact in it."""
    import torch

    inexact = device.startswith("cpu") and precision is Precision.FLOAT32
    return torch.contiguous_format if inexact else torch.channels_last
