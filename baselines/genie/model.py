"""Genie: a spatio-temporal transformer from tokens, some of them masked, to logits of every token.

Axes: B windows, T frames, H rows, W columns, N = H*W positions, D width, F the two factors of a token (least
significant first), V values of a factor. Modules are named so that a state dict has 1X's keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from cache import TemporalCache
from config import GenieConfig
from layers import Block
from torch import Tensor, nn

INITIAL_STD = 0.02


def factors(tokens_X: Tensor, config: GenieConfig) -> Tensor:
    """The digits of each token: `[...]` -> `[..., F]`."""
    base = config.factored_vocab_size
    return torch.stack([tokens_X % base, tokens_X // base], -1)


def joined(factors_XF: Tensor, config: GenieConfig) -> Tensor:
    """The tokens with these digits: `[..., F]` -> `[...]`."""
    return factors_XF[..., 0] + config.factored_vocab_size * factors_XF[..., 1]


class TokenEmbedding(nn.Module):
    """The sum of a token's two factor embeddings, or the mask's own."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.config = config
        self.factored_embeds = nn.ModuleList(
            nn.Embedding(config.factored_vocab_size, config.d_model)
            for _ in range(config.num_factored_vocabs)
        )
        self.mask_token_embed = nn.Parameter(torch.zeros(1, config.d_model))

    def forward(self, tokens_X: Tensor) -> Tensor:
        """`[...]` int64 -> `[..., D]`."""
        is_masked_X = tokens_X == self.config.mask_id
        factors_XF = factors(tokens_X.masked_fill(is_masked_X, 0), self.config)
        embedded_FXD = [embed(factors_XF[..., f]) for f, embed in enumerate(self.factored_embeds)]
        return torch.where(is_masked_X[..., None], self.mask_token_embed, embedded_FXD[0] + embedded_FXD[1])


class Decoder(nn.Module):
    """The blocks."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))


class Genie(nn.Module):
    """The whole model. `forward` is one pass over whole windows, `guess` the same with the past remembered."""

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embed = TokenEmbedding(config)
        self.pos_embed_TSC = nn.Parameter(torch.zeros(1, config.T, config.S, config.d_model))
        self.decoder = Decoder(config)
        channels = config.num_factored_vocabs * config.factored_vocab_size
        self.out_x_proj = nn.Linear(config.d_model, channels)
        self.apply(self._initialise)

    def forward(self, tokens_BTHW: Tensor) -> Tensor:
        """Logits [B,T,H,W,F,V]: each frame sees itself and the frames before it."""
        x_BTND = self._embed(tokens_BTHW, range(tokens_BTHW.shape[1]))
        for layer in self.decoder.layers:
            x_BTND = layer(x_BTND)
        return self._read(x_BTND)

    def guess(
        self,
        guess_BTHW: Tensor,
        times: Sequence[int],
        cache: TemporalCache,
        *,
        clean_BTHW: Tensor | None = None,
    ) -> Tensor:
        """Logits [B,T,H,W,F,V] of partly masked frames that stand at these times of their windows.

        Each of them sees itself and the clean frames before it: those in the cache, and `clean_BTHW`, which follow
        them in time and are in the cache afterwards.
        """
        num_clean = 0 if clean_BTHW is None else clean_BTHW.shape[1]
        frames_BTHW = guess_BTHW if clean_BTHW is None else torch.cat([clean_BTHW, guess_BTHW], 1)
        all_times = [*range(cache.length, cache.length + num_clean), *times]
        x_BTND = self._embed(frames_BTHW, all_times)
        pasts = cache.pasts(all_times, num_clean)
        for layer, past in zip(self.decoder.layers, pasts, strict=True):
            x_BTND = layer(x_BTND, past)
        cache.length += num_clean
        return self._read(x_BTND[:, num_clean:])

    def _embed(self, tokens_BTHW: Tensor, times: Sequence[int]) -> Tensor:
        if max(times) >= self.config.T:
            raise ValueError(
                f"frame {max(times)} is asked for; this Genie knows windows of {self.config.T} frames"
            )
        embedded_BTND: Tensor = self.token_embed(tokens_BTHW.flatten(2))
        return embedded_BTND + self.pos_embed_TSC[0, list(times)]

    def _read(self, x_BTND: Tensor) -> Tensor:
        side, base = self.config.side, self.config.factored_vocab_size
        with torch.autocast(x_BTND.device.type, enabled=False):  # logits are float32 whatever the rest is
            logits: Tensor = self.out_x_proj(x_BTND.float() * self.config.readout_scale)
        return logits.view(*logits.shape[:2], side, side, -1, base)

    def _initialise(self, module: nn.Module) -> None:
        """Normal weights, zero biases; with muP, matrices from width to width shrink as the width grows."""
        if isinstance(module, nn.Linear):
            is_hidden = self.config.use_mup and module is not self.out_x_proj
            nn.init.normal_(
                module.weight, std=INITIAL_STD * (math.sqrt(self.config.readout_scale) if is_hidden else 1.0)
            )
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=INITIAL_STD)
