"""One block of the spatio-temporal transformer: attention inside each frame, then over time, then an MLP.

Axes: B windows, T frames of this pass, N positions of a frame, D width, K frames that can be seen, M = N * heads,
E width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from config import GenieConfig
from torch import Tensor, nn
from torch.nn import functional

FEW_QUERIES = 2
"""Up to here products and sums beat the attention kernel on a CPU: it pays for each of M tiny problems."""


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
        mixed = functional.scaled_dot_product_attention(
            self.normed(query), self.normed(key), value, dropout_p=self.dropout, scale=self.scale
        )
        out_BTND: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, frames, positions, width))
        return out_BTND


class TemporalAttention(Attention):
    """Every position sees itself in the frames that its frame may see.

    Queries, keys and values are projected apart, so that each is [B,T,N*heads,E] without a gap: then positions and
    heads are one axis to the kernel, and time can be its sequence without a copy.
    """

    def forward(self, x_BTND: Tensor, past: Past | None) -> Tensor:
        """The mixed values [B,T,N,D]; without a past, each frame sees itself and those before it."""
        batch, frames, positions, width = x_BTND.shape
        biases = (None,) * 3 if self.qkv.bias is None else self.qkv.bias.chunk(3)
        query, key, value = (
            functional.linear(x_BTND, weight, bias).view(batch, frames, positions * self.heads, -1)
            for weight, bias in zip(self.qkv.weight.chunk(3), biases, strict=True)
        )
        query, key = self.normed(query), self.normed(key)
        if past is None:
            mixed_BTME = self._attend(query, key, value, None, is_causal=True)
        else:
            key, value = past.extended(key, value)
            mixed_BTME = self._attend(query, key, value, past.visible_TK, is_causal=False)
        out_BTND: Tensor = self.proj(mixed_BTME.reshape(batch, frames, positions, width))
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
        few = query_BTME.shape[1] <= FEW_QUERIES and query_BTME.device.type == "cpu" and not is_causal
        if few and not torch.is_grad_enabled():
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

    def forward(self, x_BTND: Tensor, past: Past | None = None) -> Tensor:
        """[B,T,N,D]."""
        x_BTND = x_BTND + self.spatial_attn(self.norm1(x_BTND))
        x_BTND = x_BTND + self.temporal_attn(x_BTND, past)
        change_BTND: Tensor = self.mlp(self.norm2(x_BTND))
        return x_BTND + change_BTND
