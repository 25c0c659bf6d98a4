"""Genie trained the straightforward way: what one writes first, compiled as a whole, under bfloat16 autocast.

What bench_training.py compares the trainer with. Nothing is slowed down on purpose: attention is torch's kernel
everywhere, logits are made at every position as in 1X's loop, the mask weights the loss, AdamW is torch's default.
The weights have a Genie's names, so both can start from the same; it uses nothing of baselines/genie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Attention over the second axis of [X,L,D]."""

    def __init__(self, config: Any, *, is_causal: bool) -> None:
        super().__init__()
        self.heads, self.scale, self.is_causal = config.num_heads, config.attention_scale, is_causal
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model, bias=config.qkv_bias)
        self.proj = nn.Linear(config.d_model, config.d_model, bias=config.proj_bias)

    def forward(self, x: Tensor) -> Tensor:
        many, length, width = x.shape
        qkv = self.qkv(x).view(many, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv, is_causal=self.is_causal, scale=self.scale)
        return self.proj(mixed.transpose(1, 2).reshape(many, length, width))


class Mlp(nn.Module):
    """Two layers."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        inner = int(config.d_model * config.mlp_ratio)
        self.fc1 = nn.Linear(config.d_model, inner, bias=config.mlp_bias)
        self.fc2 = nn.Linear(inner, config.d_model, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention in space, then in time, then the MLP."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.d_model), nn.LayerNorm(config.d_model)
        self.spatial_attn = Attention(config, is_causal=False)
        self.temporal_attn = Attention(config, is_causal=True)
        self.mlp = Mlp(config)

    def forward(self, x_BTSD: Tensor) -> Tensor:
        batch, frames, positions, width = x_BTSD.shape
        inside = self.norm1(x_BTSD).reshape(batch * frames, positions, width)
        x_BTSD = x_BTSD + self.spatial_attn(inside).view(x_BTSD.shape)
        over_time = x_BTSD.transpose(1, 2).reshape(batch * positions, frames, width)
        x_BTSD = x_BTSD + self.temporal_attn(over_time).view(batch, positions, frames, width).transpose(1, 2)
        return x_BTSD + self.mlp(self.norm2(x_BTSD))


class Straightforward(nn.Module):
    """Loss and accuracy of a masked batch."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.token_embed = nn.Module()
        self.token_embed.factored_embeds = nn.ModuleList(
            nn.Embedding(config.factored_vocab_size, config.d_model) for _ in range(2)
        )
        self.token_embed.mask_token_embed = nn.Parameter(torch.zeros(1, config.d_model))
        self.pos_embed_TSC = nn.Parameter(torch.zeros(1, config.T, config.S, config.d_model))
        self.decoder = nn.Module()
        self.decoder.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.out_x_proj = nn.Linear(config.d_model, 2 * config.factored_vocab_size)

    def forward(self, input_BTHW: Tensor, target_BTHW: Tensor, masked_BTHW: Tensor) -> tuple[Tensor, Tensor]:
        base, first, second = self.config.factored_vocab_size, *self.token_embed.factored_embeds
        is_masked = (input_BTHW == self.config.mask_id).flatten(2)
        tokens = torch.where(is_masked, 0, input_BTHW.flatten(2))
        x_BTSD = first(tokens % base) + second(tokens // base)
        x_BTSD = torch.where(is_masked[..., None], self.token_embed.mask_token_embed, x_BTSD)
        x_BTSD = x_BTSD + self.pos_embed_TSC
        for layer in self.decoder.layers:
            x_BTSD = layer(x_BTSD)
        logits = self.out_x_proj(x_BTSD * self.config.readout_scale).unflatten(-1, (2, base)).float()
        target = torch.stack([target_BTHW.flatten(2) % base, target_BTHW.flatten(2) // base], -1)
        nats = functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
        weight = masked_BTHW.flatten(2).float()
        loss = (nats.view(target.shape).sum(-1) * weight).sum() / weight.sum()
        right = (logits.argmax(-1) == target).all(-1)
        return loss, (right * weight).sum() / weight.sum()


def stepper(
    model: Straightforward, *, learning_rate: float, precision: torch.dtype, compiled: bool
) -> Callable[[Any], Tensor]:
    """Takes an optimizer step on a masked batch; gives its loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    forward = torch.compile(model) if compiled else model
    device = model.pos_embed_TSC.device.type

    def step(puzzle: Any) -> Tensor:
        is_low = precision != torch.float32
        with torch.autocast(device, dtype=precision if is_low else None, enabled=is_low):
            loss, _ = forward(puzzle.input_BTHW, puzzle.target_BTHW, puzzle.masked_BTHW)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step
