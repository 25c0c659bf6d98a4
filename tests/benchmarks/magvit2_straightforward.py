"""MAGVIT2's decoder written down plainly: modules in NCHW and float32, one frame at a time.

What the codec is measured against.

Axes: B frames, Z channels, Y and X pixels (or the grid of a level).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

GROUPS = 32


class Residual(nn.Module):
    """Norm, swish, convolution, twice, beside a shortcut."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, wide_in, eps=1e-6)
        self.norm2 = nn.GroupNorm(GROUPS, wide_out, eps=1e-6)
        self.conv1 = nn.Conv2d(wide_in, wide_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(wide_out, wide_out, 3, padding=1, bias=False)
        self.nin_shortcut = (
            nn.Conv2d(wide_in, wide_out, 1, bias=False) if wide_in != wide_out else nn.Identity()
        )

    def forward(self, x_BZYX: torch.Tensor) -> torch.Tensor:
        """The block's sum."""
        h = self.conv1(swish(self.norm1(x_BZYX)))
        return self.nin_shortcut(x_BZYX) + self.conv2(swish(self.norm2(h)))


class Upsample(nn.Module):
    """Four times the channels, laid out as twice the pixels each way."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide, 4 * wide, 3, padding=1)

    def forward(self, x_BZYX: torch.Tensor) -> torch.Tensor:
        """Depth to space, the pixel's place before the channel."""
        h = self.conv1(x_BZYX)
        batch, wide, height, width = x_BZYX.shape
        blocks = h.view(batch, 2, 2, wide, height, width).permute(0, 3, 4, 1, 5, 2)
        return blocks.reshape(batch, wide, 2 * height, 2 * width)


class Level(nn.Module):
    """One resolution."""

    def __init__(self, wide_in: int, wide: int, blocks: int, *, enlarges: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(Residual(wide_in if i == 0 else wide, wide) for i in range(blocks))
        self.upsample = Upsample(wide) if enlarges else nn.Identity()

    def forward(self, x_BZYX: torch.Tensor) -> torch.Tensor:
        """All blocks, then twice the size."""
        for block in self.block:
            x_BZYX = block(x_BZYX)
        return self.upsample(x_BZYX)


class Decoder(nn.Module):
    """Latents [B,18,16,16] of +-1 to images [B,3,256,256] of about -1..1."""

    def __init__(self, *, base: int, multipliers: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        widths = [base * multiplier for multiplier in multipliers]
        self.conv_in = nn.Conv2d(18, widths[-1], 3, padding=1)
        self.mid_block = nn.ModuleList(Residual(widths[-1], widths[-1]) for _ in range(blocks))
        self.up = nn.ModuleList(
            Level(widths[min(i + 1, len(widths) - 1)], widths[i], blocks, enlarges=i > 0)
            for i in range(len(widths))
        )
        self.norm_out = nn.GroupNorm(GROUPS, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, latent_BZYX: torch.Tensor) -> torch.Tensor:
        """The image."""
        x = self.conv_in(latent_BZYX)
        for block in self.mid_block:
            x = block(x)
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(swish(self.norm_out(x)))


def swish(x: torch.Tensor) -> torch.Tensor:
    """x * sigmoid(x)."""
    return x * torch.sigmoid(x)


def decode(decoder: Decoder, tokens_BHW: torch.Tensor) -> torch.Tensor:
    """uint8 [B,3,256,256], frame after frame."""
    images = []
    for tokens_HW in tokens_BHW:
        bits = torch.stack([tokens_HW >> c & 1 for c in range(18)])[None]
        image = decoder(bits.float() * 2 - 1)
        images.append(((image + 1) * 127.5).clamp(0, 255).to(torch.uint8))
    return torch.cat(images)


def decoder_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The decoder's part of a checkpoint, in float32."""
    return {
        key.removeprefix("decoder."): value.float()
        for key, value in state.items()
        if key.startswith("decoder.")
    }
