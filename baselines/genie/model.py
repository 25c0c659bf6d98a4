"""Genie: a spatio-temporal transformer from tokens, some of them masked, to logits of every token.

Axes: B windows, T frames, H rows, W columns, N = H*W positions, D width, F the two factors of a token (least
significant first), V values of a factor, S raw rows of a block of actions, A action columns. Modules are named so that
a state dict has 1X's keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from actions import ActionEmbedding, shown_before
from cache import TemporalCache, visible
from config import GenieConfig
from layers import Block, Together
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
        self.action_embed = ActionEmbedding(config) if config.action_width else None
        self.apply(self._initialise)

    def forward(self, tokens_BTHW: Tensor, actions_BTSA: Tensor | None = None) -> Tensor:
        """Logits [B,T,H,W,F,V]: each frame sees itself and the frames before it, and the actions shown with those."""
        return self._read(self.features(tokens_BTHW, actions_BTSA))

    def features(self, tokens_BTHW: Tensor, actions_BTSA: Tensor | None = None) -> Tensor:
        """What the logits are read from: [B,T,N,D]."""
        blocks_BTSA = None if actions_BTSA is None else shown_before(actions_BTSA)
        frames = tokens_BTHW.shape[1]
        self._check_times(frames - 1)
        x_BTND = self._embed(tokens_BTHW, torch.arange(frames, device=tokens_BTHW.device), blocks_BTSA)
        for layer in self.decoder.layers:
            x_BTND = layer(x_BTND)
        return x_BTND

    def features_of_guesses(
        self, clean_BTHW: Tensor, guess_BTHW: Tensor, actions_BTSA: Tensor | None = None
    ) -> Tensor:
        """What the logits of partly masked frames 1..T are read from, [B,T,N,D]; each sees clean frames before it.

        `guess` without gradients gives the same, `clean` being frames 0..T-1: both stand side by side. The last block
        answers for the guesses alone.
        """
        frames = clean_BTHW.shape[1]
        self._check_times(frames)
        time_T = torch.arange(
            frames, device=clean_BTHW.device
        )  # made there: to copy it there would be to wait
        times_T = torch.cat([time_T, time_T + 1])
        blocks_BTSA = None
        if actions_BTSA is not None:
            blocks_BTSA = torch.cat([shown_before(actions_BTSA)[:, :frames], actions_BTSA[:, :frames]], 1)
        x_BTND = self._embed(torch.cat([clean_BTHW, guess_BTHW], 1), times_T, blocks_BTSA)
        past = Together(visible_TK=visible(0, times_T, frames))
        *first, last = self.decoder.layers
        for layer in first:
            x_BTND = layer(x_BTND, past)
        answers_BTND: Tensor = last(x_BTND, past, answers_from=frames)
        return answers_BTND

    def read(self, x_XD: Tensor) -> Tensor:
        """Logits [...,F,V] of positions [...,D], float32 whatever the rest is."""
        with torch.autocast(x_XD.device.type, enabled=False):
            logits: Tensor = self.out_x_proj(x_XD.float() * self.config.readout_scale)
        return logits.view(*logits.shape[:-1], -1, self.config.factored_vocab_size)

    def guess(
        self,
        guess_BTHW: Tensor,
        times: Sequence[int],
        cache: TemporalCache,
        *,
        clean_BTHW: Tensor | None = None,
        blocks_BTSA: Tensor | None = None,
    ) -> Tensor:
        """Logits [B,T,H,W,F,V] of partly masked frames that stand at these times of their windows.

        Each of them sees itself and the clean frames before it: those in the cache, and `clean_BTHW`, which follow
        them in time and are in the cache afterwards. `blocks_BTSA` are the actions shown before each frame of the
        pass, clean frames first.
        """
        num_clean = 0 if clean_BTHW is None else clean_BTHW.shape[1]
        frames_BTHW = guess_BTHW if clean_BTHW is None else torch.cat([clean_BTHW, guess_BTHW], 1)
        all_times = [*range(cache.length, cache.length + num_clean), *times]
        self._check_times(max(all_times))
        x_BTND = self._embed(frames_BTHW, torch.tensor(all_times, device=guess_BTHW.device), blocks_BTSA)
        pasts = cache.pasts(all_times, num_clean)
        for layer, past in zip(self.decoder.layers, pasts, strict=True):
            x_BTND = layer(x_BTND, past)
        cache.length += num_clean
        return self._read(x_BTND[:, num_clean:])

    def _check_times(self, last: int) -> None:
        if last >= self.config.T:
            raise ValueError(f"frame {last} is asked for; this Genie knows windows of {self.config.T} frames")

    def _embed(self, tokens_BTHW: Tensor, time_T: Tensor, blocks_BTSA: Tensor | None) -> Tensor:
        embedded_BTND: Tensor = self.token_embed(tokens_BTHW.flatten(2))
        embedded_BTND = embedded_BTND + self.pos_embed_TSC[0, time_T]
        if self.action_embed is None or blocks_BTSA is None:
            return embedded_BTND
        told_BTD: Tensor = self.action_embed(blocks_BTSA)
        return embedded_BTND + told_BTD[:, :, None]

    def _read(self, x_BTND: Tensor) -> Tensor:
        logits = self.read(x_BTND)
        return logits.view(*logits.shape[:2], self.config.side, self.config.side, *logits.shape[3:])

    def _initialise(self, module: nn.Module) -> None:
        """Normal weights, zero biases; with muP, matrices from width to width shrink as the width grows."""
        if self.action_embed is not None and module is self.action_embed.proj:
            nn.init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            is_hidden = self.config.use_mup and module is not self.out_x_proj
            nn.init.normal_(
                module.weight, std=INITIAL_STD * (math.sqrt(self.config.readout_scale) if is_hidden else 1.0)
            )
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=INITIAL_STD)
