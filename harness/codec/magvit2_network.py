"""MAGVIT2's encoder and decoder as functions of a checkpoint's weights.

What pays on a CPU: bfloat16 (convolutions are nearly all the time), channels-last, and swish in place of what the norm
made. Compiling norm and swish into one does not: the compiled norm is three times as slow as torch's own there.
Channels-last is not for float32 on a CPU: torch's group norm then adds up so plainly that it is wrong in the fourth
digit at 256x256, where in torch's usual order it is right in the sixth.

Axes: B frames, Z channels, Y and X pixels or grid cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.codec.magvit2_layout import GROUPS, Layout

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_EPS = 1e-6
_KERNEL_AXES = 4


def place(
    state: Mapping[str, Tensor], *, device: str, dtype: torch.dtype, memory_format: torch.memory_format
) -> dict[str, Tensor]:
    """A checkpoint's weights where and as `Network` computes with them.

    The checkpoint numbers the channels that become a 2x2 block of pixels (row, column, channel), torch's pixel_shuffle
    (channel, row, column); the convolutions that make them are put into its order.
    """
    placed = {
        key: (_for_pixel_shuffle(value) if ".upsample." in key else value).to(device, dtype)
        for key, value in state.items()
    }
    return {
        key: value.contiguous(memory_format=memory_format) if value.ndim == _KERNEL_AXES else value
        for key, value in placed.items()
    }


def _for_pixel_shuffle(value: Tensor) -> Tensor:
    return value.reshape(4, -1, *value.shape[1:]).transpose(0, 1).reshape(value.shape)


class Network:
    """Both halves, computing with `weights` as `place` made them; what they are given is in their memory order."""

    def __init__(self, weights: Mapping[str, Tensor], layout: Layout) -> None:
        self._weights = weights
        self._layout = layout

    def decode(self, latent_BZYX: Tensor) -> Tensor:
        """Images [B,3,Y,X] of about -1..1, of latents [B,18,Y/patch,X/patch] of -1 and 1."""
        from torch.nn import functional

        x = self._conv(latent_BZYX, "decoder.conv_in")
        for j in range(self._layout.mid_blocks):
            x = self._residual(x, f"decoder.mid_block.{j}")
        for i in reversed(range(self._layout.levels)):
            for j in range(self._layout.blocks):
                x = self._residual(x, f"decoder.up.{i}.block.{j}")
            if i > 0:
                x = functional.pixel_shuffle(self._conv(x, f"decoder.up.{i}.upsample.conv1"), 2)
        return self._out(x, "decoder")

    def encode(self, images_BZYX: Tensor) -> Tensor:
        """Latents [B,18,Y/patch,X/patch] of images [B,3,Y,X] in -1..1; their signs are the bits."""
        x = self._conv(images_BZYX, "encoder.conv_in")
        for i in range(self._layout.levels):
            for j in range(self._layout.blocks):
                x = self._residual(x, f"encoder.down.{i}.block.{j}")
            if i < self._layout.levels - 1:
                x = self._conv(x, f"encoder.down.{i}.downsample", stride=2)
        for j in range(self._layout.mid_blocks):
            x = self._residual(x, f"encoder.mid_block.{j}")
        return self._out(x, "encoder")

    def _residual(self, x_BZYX: Tensor, name: str) -> Tensor:
        h = self._conv(self._norm_swish(x_BZYX, f"{name}.norm1"), f"{name}.conv1")
        h = self._conv(self._norm_swish(h, f"{name}.norm2"), f"{name}.conv2")
        if f"{name}.nin_shortcut.weight" in self._weights:
            x_BZYX = self._conv(x_BZYX, f"{name}.nin_shortcut")
        return h.add_(x_BZYX)

    def _out(self, x_BZYX: Tensor, side: str) -> Tensor:
        return self._conv(self._norm_swish(x_BZYX, f"{side}.norm_out"), f"{side}.conv_out")

    def _norm_swish(self, x_BZYX: Tensor, name: str) -> Tensor:
        """x * sigmoid(x) of the group-normalised input."""
        from torch.nn import functional

        scale_Z, shift_Z = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        normed = functional.group_norm(x_BZYX, GROUPS, scale_Z, shift_Z, _EPS)
        return functional.silu(normed, inplace=True)

    def _conv(self, x_BZYX: Tensor, name: str, *, stride: int = 1) -> Tensor:
        from torch.nn import functional

        weight = self._weights[f"{name}.weight"]
        return functional.conv2d(
            x_BZYX, weight, self._weights.get(f"{name}.bias"), stride=stride, padding=weight.shape[-1] // 2
        )
