"""A decoder-only transformer over the tokens of a window in raster order.

Step p reads tokens 0..p and predicts token p + 1. Its two heads do not know of each other: given the past, the factors
are independent, as in the challenge's metric. No norm stands before the heads: what a step is given reaches them as it
is, so that n-grams are something the model can begin with (ngrams.py).

Axes: B windows, P tokens of a window (or steps: there is one per token), S steps of a pass, N tokens of a frame,
D width, K continuations, G neighbours, F the two factors of a token (least significant first), V values of a factor.
"""

from __future__ import annotations

import torch
from cache import KeyValueCache
from config import CausalConfig
from layers import Block, Turns, angles
from torch import Tensor, nn
from torch.nn import functional

FACTORS = 2
EMBEDDING_STD = 0.02


def factors(tokens_X: Tensor, config: CausalConfig) -> Tensor:
    """The digits of each token: `[...]` -> `[..., F]`."""
    return torch.stack([tokens_X % config.factor_vocab, tokens_X // config.factor_vocab], -1)


def joined(factors_XF: Tensor, config: CausalConfig) -> Tensor:
    """The tokens with these digits: `[..., F]` -> `[...]`."""
    return factors_XF[..., 0] + config.factor_vocab * factors_XF[..., 1]


class ContextEmbedding(nn.Module):
    """What a step is given: its neighbours' tokens and its target's place, each an embedding, summed.

    A token's embedding is the sum of its two factors'; a place's that of its frame and of its cell. One table holds all
    factors of all neighbours; its last row stands for a neighbour before the window and stays zero.
    """

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        self.config = config
        self.absent = len(config.neighbours) * FACTORS * config.factor_vocab
        self.factors = nn.Embedding(self.absent + 1, config.d_model, padding_idx=self.absent)
        self.frame = nn.Embedding(config.frames, config.d_model)
        self.cell = nn.Embedding(config.frame_tokens, config.d_model)
        source_PG = torch.arange(1, config.window_tokens)[:, None] - torch.tensor(config.neighbours)
        self.register_buffer("source_PG", source_PG.clamp(min=0), persistent=False)
        self.register_buffer("is_absent_PG", source_PG < 0, persistent=False)
        self.register_buffer("target_P", torch.arange(1, config.window_tokens), persistent=False)

    def forward(self, tokens_BP: Tensor, begin: int) -> Tensor:
        """`[B,S,D]` for steps begin..P-1 of the tokens known so far, int64."""
        batch, known = tokens_BP.shape
        if known >= self.config.window_tokens:
            raise ValueError(f"after {known} tokens none is left to predict")
        rows_XR = self._rows(tokens_BP, begin).view(batch * (known - begin), -1)
        tokens_XD = functional.embedding_bag(
            rows_XR, self.factors.weight, mode="sum", padding_idx=self.absent
        )
        target_S, frame_tokens = self.get_buffer("target_P")[begin:known], self.config.frame_tokens
        place_SD = self.frame(target_S // frame_tokens) + self.cell(target_S % frame_tokens)
        context_BSD: Tensor = tokens_XD.view(batch, known - begin, -1) + place_SD
        return context_BSD

    def _rows(self, tokens_BP: Tensor, begin: int) -> Tensor:
        """Where the table keeps the factors of each step's neighbours: `[B,S,G,F]`."""
        steps = slice(begin, tokens_BP.shape[1])
        token_BSG = tokens_BP[:, self.get_buffer("source_PG")[steps]]
        num_tables = len(self.config.neighbours) * FACTORS
        first_GF = self.config.factor_vocab * torch.arange(num_tables, device=tokens_BP.device).view(
            -1, FACTORS
        )
        is_absent_SG1 = self.get_buffer("is_absent_PG")[steps, :, None]
        return (factors(token_BSG, self.config) + first_GF).masked_fill(is_absent_SG1, self.absent)


class CausalLM(nn.Module):
    """The whole model. `forward` is one pass over whole windows, `extend` the same with the past remembered."""

    def __init__(self, config: CausalConfig) -> None:
        super().__init__()
        self.config = config
        self.context = ContextEmbedding(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.heads = nn.Linear(config.d_model, FACTORS * config.factor_vocab)
        angles_PC = angles(config)
        self.register_buffer("cos_PC", angles_PC.cos(), persistent=False)
        self.register_buffer("sin_PC", angles_PC.sin(), persistent=False)
        self._initialise()

    def forward(self, tokens_BP: Tensor) -> Tensor:
        """Logits [B,P-N,F,V] of all tokens after the first frame, each given all tokens before it."""
        x_BSD = self.context(tokens_BP[:, :-1], 0)
        turns = self._turns(0, x_BSD.shape[1])
        for block in self.blocks:
            x_BSD = block(x_BSD, turns)
        return self._read(x_BSD[:, self.config.frame_tokens - 1 :])

    def extend(self, tokens_BP: Tensor, cache: KeyValueCache) -> Tensor:
        """Logits [B,F,V] of the token after these; runs the steps that the cache lacks, and leaves them there."""
        x_BSD = self.context(tokens_BP, cache.length)
        x_BSD = self._remembering(x_BSD, self._turns(cache.length, tokens_BP.shape[1]), cache)
        return self._read(x_BSD[:, -1])

    def branch(self, tokens_BKP: Tensor, cache: KeyValueCache) -> Tensor:
        """Logits [B,K,F,V] of the token after each of K continuations of what was there when the cache was forked.

        Runs the last step of each. They share the pass, and all that is before the fork is read once for all.
        """
        batch, continuations, known = tokens_BKP.shape
        x_XD = self.context(tokens_BKP.flatten(0, 1), known - 1)
        x_BKD = x_XD.view(batch, continuations, -1)
        return self._read(self._remembering(x_BKD, self._turns(known - 1, known), cache))

    def _remembering(self, x_BSD: Tensor, turns: Turns, cache: KeyValueCache) -> Tensor:
        steps = x_BSD.shape[1]
        for block, past in zip(self.blocks, cache.pasts(steps), strict=True):
            x_BSD = block(x_BSD, turns, past)
        cache.length += steps
        return x_BSD

    def _turns(self, begin: int, end: int) -> Turns:
        cos_PC, sin_PC = self.get_buffer("cos_PC"), self.get_buffer("sin_PC")
        return Turns(cos_SC=cos_PC[begin:end], sin_SC=sin_PC[begin:end])

    def _read(self, x_XD: Tensor) -> Tensor:
        """Logits `[...,F,V]`, float32 whatever the rest is."""
        with torch.autocast(x_XD.device.type, enabled=False):
            logits: Tensor = self.heads(x_XD.float())
        return logits.view(*x_XD.shape[:-1], FACTORS, self.config.factor_vocab)

    def _initialise(self) -> None:
        """Blocks begin by adding nothing, and heads by knowing nothing: the loss of fresh weights is F ln V."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=EMBEDDING_STD)
        for name, parameter in self.named_parameters():
            if name.endswith(("attention.proj.weight", "narrow.weight", "heads.weight", "heads.bias")):
                nn.init.zeros_(parameter)
        nn.init.zeros_(self.context.factors.weight.data[self.context.absent])
