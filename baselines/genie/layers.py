"""One block of the spatio-temporal transformer: attention inside each frame, then over time, then an MLP.

Axes: B windows, T frames of this pass, N positions of a frame, D width, K frames that can be seen, M = N * heads,
E width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Protocol

import torch
from config import GenieConfig
from torch import Tensor, nn
from torch.nn import functional

FEW_QUERIES = 2
"""Up to here products and sums beat the attention kernel on a CPU: it pays for each of M tiny problems."""


class Context(Protocol):
    """What the frames of a pass see in time.

    Attributes:
        visible_TK: what each frame of the pass sees of all frames there are; None for everything.
    """

    @property
    def visible_TK(self) -> Tensor | None:
        """See above."""
        ...

    def extended(self, key_BTME: Tensor, value_BTME: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of all frames there are, given those of the pass: [B,K,M,E] each."""
        ...


@dataclass(frozen=True, kw_only=True)
class Together:
    """Nothing but the pass itself, with a rule of its own who sees whom."""

    visible_TK: Tensor

    def extended(self, key_BTME: Tensor, value_BTME: Tensor) -> tuple[Tensor, Tensor]:
        """What came in."""
        return key_BTME, value_BTME


@dataclass(frozen=True, kw_only=True)
class Past:
    """Where one layer keeps the temporal keys and values of earlier frames, and who may look at them.

    Attributes:
        keys_BKME, values_BKME: buffers with room for this pass; the pass writes its own after the first `length`.
        length: frames already there.
        visible_TK: what each frame of the pass sees of all frames, its own pass included; None for everything.
    """

    keys_BKME: Tensor
    values_BKME: Tensor
    length: int
    visible_TK: Tensor | None

    def extended(self, key_BTME: Tensor, value_BTME: Tensor) -> tuple[Tensor, Tensor]:
        """The keys and values of earlier frames and of this pass: views of the buffers."""
        end = self.length + key_BTME.shape[1]
        self.keys_BKME[:, self.length : end] = key_BTME
        self.values_BKME[:, self.length : end] = value_BTME
        return self.keys_BKME[:, :end], self.values_BKME[:, :end]


class Attention(nn.Module):
    """What both attentions share: the projections, the scale and, with `qk_norm`, the norm."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.width = config.head_width
        self.scale = config.attention_scale
        self.drop = config.attn_drop
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model, bias=config.qkv_bias)
        self.proj = nn.Linear(config.d_model, config.d_model, bias=config.proj_bias)
        self.norm = nn.LayerNorm(config.head_width) if config.qk_norm else None

    def normed(self, heads_XE: Tensor) -> Tensor:
        """Queries or keys [...,E], normalised in float32 if the config says so."""
        if self.norm is None:
            return heads_XE
        normed_XE: Tensor = self.norm(heads_XE.float())
        return normed_XE.to(heads_XE.dtype)

    @property
    def dropout(self) -> float:
        """The share of attention weights to drop now."""
        return self.drop if self.training else 0.0


class SpatialAttention(Attention):
    """Every position of a frame sees every other of the same frame."""

    def forward(self, x_BTND: Tensor) -> Tensor:
        """The mixed values [B,T,N,D]. Frames are the kernel's batch, so nothing is copied on the way."""
        batch, frames, positions, width = x_BTND.shape
        qkv = self.qkv(x_BTND).view(batch * frames, positions, 3, self.heads, -1)
        query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
        query, key = self.normed(query), self.normed(key)
        if _learns_on_cpu(query) and torch.is_autocast_enabled("cpu"):
            mixed = attend_by_matmul(query * self.scale, key, value, None, dropout=self.dropout)
        else:
            mixed = functional.scaled_dot_product_attention(
                query, key, value, dropout_p=self.dropout, scale=self.scale
            )
        out_BTND: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, frames, positions, width))
        return out_BTND


class TemporalAttention(Attention):
    """Every position sees itself in the frames that its frame may see.

    Queries, keys and values are projected apart, so that each is [B,T,N*heads,E] without a gap: then positions and
    heads are one axis to the kernel, and time can be its sequence without a copy.
    """

    def forward(self, x_BTND: Tensor, past: Context | None, answers_from: int = 0) -> Tensor:
        """The mixed values of frames answers_from.., [B,T,N,D]; without a past, each sees itself and those before."""
        batch, _, positions, width = x_BTND.shape
        biases = (None,) * 3 if self.qkv.bias is None else self.qkv.bias.chunk(3)
        query, key, value = (
            functional.linear(rows_BTND, weight, bias).view(batch, -1, positions * self.heads, self.width)
            for rows_BTND, weight, bias in zip(
                (x_BTND[:, answers_from:], x_BTND, x_BTND), self.qkv.weight.chunk(3), biases, strict=True
            )
        )
        query, key = self.normed(query), self.normed(key)
        if past is None:
            mixed_BTME = self._attend(query, key, value, None, is_causal=True)
        else:
            key, value = past.extended(key, value)
            visible_TK = None if past.visible_TK is None else past.visible_TK[answers_from:]
            mixed_BTME = self._attend(query, key, value, visible_TK, is_causal=False)
        out_BTND: Tensor = self.proj(mixed_BTME.reshape(batch, -1, positions, width))
        return out_BTND

    def _attend(
        self,
        query_BTME: Tensor,
        key_BKME: Tensor,
        value_BKME: Tensor,
        visible_TK: Tensor | None,
        *,
        is_causal: bool,
    ) -> Tensor:
        if _learns_on_cpu(query_BTME):
            frames = query_BTME.shape[1]
            if is_causal:
                visible_TK = torch.ones((frames, frames), dtype=torch.bool).tril()
            return attend_by_matmul(
                (query_BTME.float() * self.scale).transpose(1, 2),
                key_BKME.float().transpose(1, 2),
                value_BKME.transpose(1, 2),
                visible_TK,
                dropout=self.dropout,
            ).transpose(1, 2)
        few = query_BTME.shape[1] <= FEW_QUERIES and query_BTME.device.type == "cpu" and not is_causal
        if few:
            return attend_by_products(query_BTME * self.scale, key_BKME, value_BKME, visible_TK)
        return functional.scaled_dot_product_attention(
            query_BTME.transpose(1, 2),
            key_BKME.transpose(1, 2),
            value_BKME.transpose(1, 2),
            attn_mask=visible_TK,
            dropout_p=self.dropout,
            is_causal=is_causal,
            scale=self.scale,
        ).transpose(1, 2)


def _learns_on_cpu(query: Tensor) -> bool:
    """Whether gradients will be wanted where the attention kernel's backward pass is slow.

    For 16 frames it takes 2 times what products take in float32 and 14 times in bfloat16; for 256 positions it is the
    better one in float32, and takes 1.1 times in bfloat16 (one core of an EPYC with AVX-512, torch 2.13).
    """
    return query.device.type == "cpu" and torch.is_grad_enabled()


def attend_by_matmul(
    query_XTE: Tensor, key_XKE: Tensor, value_XKE: Tensor, visible_TK: Tensor | None, *, dropout: float
) -> Tensor:
    """Attention [...,T,E] over K as three plain steps; scores are of the queries' type, the softmax float32 inside.

    Over time queries come in float32 even where products are bfloat16: that costs nothing. Over the 256 positions of a
    frame it would take two to three times as long, so there a score is rounded to bfloat16, as what it is a product of
    has been: with scores up to 24 the result is 1.1 % off what float32 gives, instead of the kernel's 0.8 %.
    """
    with torch.autocast("cpu", enabled=False):
        score_XTK = query_XTE @ key_XKE.transpose(-1, -2)
        if visible_TK is not None:
            score_XTK = score_XTK.masked_fill(~visible_TK, -torch.inf)
        weight_XTK = functional.dropout(score_XTK.softmax(-1), dropout)
    return weight_XTK @ value_XKE


def attend_by_products(
    query_BTME: Tensor, key_BKME: Tensor, value_BKME: Tensor, visible_TK: Tensor | None
) -> Tensor:
    """Attention [B,T,M,E] over K as products, one query of one window at a time: what they make fits a cache."""
    mixed_BTME = torch.empty_like(query_BTME, dtype=value_BKME.dtype)
    for b, t in product(range(query_BTME.shape[0]), range(query_BTME.shape[1])):
        score_KM = (query_BTME[b, t] * key_BKME[b]).sum(-1)
        if visible_TK is not None:
            score_KM = score_KM.masked_fill(~visible_TK[t, :, None], -torch.inf)
        weight_KM = score_KM.softmax(0, dtype=torch.float32).to(value_BKME.dtype)
        mixed_BTME[b, t] = (weight_KM[..., None] * value_BKME[b]).sum(0)
    return mixed_BTME


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, position by position."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        inner = int(config.d_model * config.mlp_ratio)
        self.fc1 = nn.Linear(config.d_model, inner, bias=config.mlp_bias)
        self.fc2 = nn.Linear(inner, config.d_model, bias=config.mlp_bias)
        self.drop = nn.Dropout(config.mlp_drop)

    def forward(self, x_BTND: Tensor) -> Tensor:
        """[B,T,N,D]."""
        inner: Tensor = self.drop(functional.gelu(self.fc1(x_BTND)))
        out_BTND: Tensor = self.drop(self.fc2(inner))
        return out_BTND


class Block(nn.Module):
    """Spatial attention, temporal attention, MLP; each is added to what went in. The second has no norm before it."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.norm1 = nn.Identity() if config.qk_norm else nn.LayerNorm(config.d_model)
        self.spatial_attn = SpatialAttention(config)
        self.temporal_attn = TemporalAttention(config)
        self.norm2 = nn.Identity() if config.qk_norm else nn.LayerNorm(config.d_model)
        self.mlp = Mlp(config)

    def forward(self, x_BTND: Tensor, past: Context | None = None, answers_from: int = 0) -> Tensor:
        """Frames answers_from.. of the pass: [B,T,N,D]."""
        x_BTND = x_BTND + self.spatial_attn(self.norm1(x_BTND))
        x_BTND = x_BTND[:, answers_from:] + self.temporal_attn(x_BTND, past, answers_from)
        change_BTND: Tensor = self.mlp(self.norm2(x_BTND))
        return x_BTND + change_BTND
