"""One block of the decoder: attention back over the sequence, then an MLP.

A step is a place in the sequence: it reads the token there and predicts the one after it.

Axes: B windows, S steps of this pass, P steps that can be seen, D width, E width of a head,
C half of E. Heads have no letter: they stand after B.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from config import CausalConfig
from torch import Tensor, nn
from torch.nn import functional

SLOWEST_TURN = 1 / 16
"""Radians per place of the slowest pair of channels; the fastest turns by one."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """Where one layer keeps the keys and values of earlier steps; a pass writes its own after the first `length`.

    Attributes:
        keys, values: buffers with room for more than `length` steps, [B,heads,room,E].
        visible_SP: what each step of the pass sees of all; None for everything.
    """

    keys: Tensor
    values: Tensor
    length: int
    visible_SP: Tensor | None

    def extended(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values [B,heads,P,E] of earlier steps and of this pass: views of the buffers."""
        end = self.length + key.shape[2]
        self.keys[:, :, self.length : end] = key
        self.values[:, :, self.length : end] = value
        return self.keys[:, :, :end], self.values[:, :, :end]


@dataclass(frozen=True, kw_only=True)
class Turns:
    """By how much each pair of channels of a head is turned at each step of a pass."""

    cos_SC: Tensor
    sin_SC: Tensor

    def applied(self, heads: Tensor) -> Tensor:
        """Queries or keys [B,heads,S,E], turned."""
        one, other = heads.chunk(2, -1)
        turned = (one * self.cos_SC - other * self.sin_SC, one * self.sin_SC + other * self.cos_SC)
        return torch.cat(turned, -1)


def places(config: CausalConfig) -> Tensor:
    """Frame, row and column [P,3] of every step's target."""
    target_P = torch.arange(1, config.window_tokens + 1)
    in_frame_P = target_P % config.frame_tokens
    return torch.stack(
        [target_P // config.frame_tokens, in_frame_P // config.side, in_frame_P % config.side], 1
    )


def angles(config: CausalConfig) -> Tensor:
    """Rotary angles [P,C] of every step.

    A quarter of the pairs of channels turns with the target's frame, the others with its row and its column: a product
    of query and key depends on how far apart two steps are in each of them.
    """
    pairs = config.head_width // 2
    of_frame = pairs // 4
    of_row = (pairs - of_frame) // 2
    speeds = (_speeds(of_frame), _speeds(of_row), _speeds(pairs - of_frame - of_row))
    turned = [place_P[:, None] * speed_C for place_P, speed_C in zip(places(config).T, speeds, strict=True)]
    return torch.cat(turned, 1)


def _speeds(pairs: int) -> Tensor:
    return torch.logspace(0, 1, pairs, base=SLOWEST_TURN)


class Attention(nn.Module):
    """Every step sees itself and those before it."""

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model, bias=False)
        self.proj = nn.Linear(config.d_model, config.d_model, bias=False)

    def forward(self, x_BSD: Tensor, turns: Turns, past: Past | None) -> Tensor:
        """The mixed values [B,S,D]."""
        batch, steps, width = x_BSD.shape
        qkv = self.qkv(x_BSD).view(batch, steps, 3, self.heads, -1)
        query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
        query, key = turns.applied(query), turns.applied(key)
        visible_SP = None
        if past is not None:
            key, value = past.extended(key, value)
            visible_SP = past.visible_SP
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=visible_SP, is_causal=past is None
        )
        out_BSD: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, steps, width))
        return out_BSD


class Block(nn.Module):
    """Attention and MLP, each added to what went in, each with a norm before it."""

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        inner = int(config.d_model * config.mlp_ratio)
        self.attention_norm = nn.LayerNorm(config.d_model, bias=False)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model, bias=False)
        self.widen = nn.Linear(config.d_model, inner, bias=False)
        self.narrow = nn.Linear(inner, config.d_model, bias=False)

    def forward(self, x_BSD: Tensor, turns: Turns, past: Past | None = None) -> Tensor:
        """[B,S,D], float32 whatever the products are computed in."""
        x_BSD = x_BSD + self.attention(self.attention_norm(x_BSD), turns, past)
        inner = functional.gelu(self.widen(self.mlp_norm(x_BSD)))
        change_BSD: Tensor = self.narrow(inner)
        return x_BSD + change_BSD
