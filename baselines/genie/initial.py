"""A Genie that starts from what can be counted instead of from noise: how likely each value is where, and after which.

The whole network is linear from its embeddings to its logits as long as its blocks add nothing. So a log-linear model
of a value's position and of the same cell's last value (baselines/training/loglinear.py) is split into embeddings and
readout, and the first block's temporal attention is set to fetch each cell's last embedding. All else that blocks would
add begins at zero. What comes out predicts a masked frame like a table of counts, and training begins there.

Axes: N positions of a frame, X last values of both factors, F the two factors of a token, V values of a factor, R all
contexts' values, C all factors' values, Q ranks that are kept, D width, E width of a head, P the numbers that encode a
time.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from config import GenieConfig
from layers import Block
from model import Genie
from torch import Tensor, nn

from baselines.training.counts import Contexts
from baselines.training.loglinear import LogLinear, low_rank
from harness.errors import UsageError

EMBEDDING_RMS = 0.5
"""Of the position embedding's numbers; the rest follows from it."""
SHARPNESS = 7.0
"""How far a cell's last frame stands out in the first temporal attention from the frame beside, in the logarithm: that
one has a weight of e^-7, a thousandth, and gradients still pass."""
_FREQUENCIES = 2 * math.pi / 32 * torch.tensor([1.0, 2.0, 4.0, 8.0])
"""Of the time code: no two of 16 frames look alike."""
_TIME = 2 * len(_FREQUENCIES)


def contexts(config: GenieConfig) -> Contexts:
    """What a start from counts knows of a token: its cell, and that cell's last value."""
    return Contexts(base=config.factored_vocab_size, cells=config.S, neighbours=(config.S,))


def from_counts(config: GenieConfig, learned: LogLinear) -> Genie:
    """A Genie that knows what was counted in its `contexts`, as well as its width can hold it.

    What is left to chance comes from torch's global generator. Raises: UsageError, if its shape cannot hold counts.
    """
    _refuse(config)
    genie = Genie(config)
    with torch.no_grad():
        _silence(genie)
        _set_embeddings(genie, learned)
        _fetch_last(genie)
    return genie


def _refuse(config: GenieConfig) -> None:
    if config.qk_norm:
        raise UsageError(
            "with qk_norm a block has no norm of its own before the attention, and counts cannot be laid into it",
            fix="set qk_norm to false, or start from random weights",
            code="usage.config",
        )
    if config.head_width < _TIME:
        raise UsageError(
            f"heads of width {config.head_width} cannot tell frames apart; counts need {_TIME}",
            fix="take fewer heads or a larger d_model, or start from random weights",
            code="usage.config",
        )


def _blocks(genie: Genie) -> list[Block]:
    return cast(list[Block], list(genie.decoder.layers))


def _silence(genie: Genie) -> None:
    """No block adds anything; what reads into a block reads loudly enough that few steps teach it."""
    for layer in _blocks(genie):
        for reader in (layer.spatial_attn.qkv, layer.temporal_attn.qkv, layer.mlp.fc1):
            nn.init.normal_(reader.weight, std=genie.config.d_model**-0.5)
        for out in (layer.spatial_attn.proj, layer.temporal_attn.proj, layer.mlp.fc2):
            out.weight.zero_()
            if out.bias is not None:
                out.bias.zero_()


def _set_embeddings(genie: Genie, learned: LogLinear) -> None:
    """Position and token embeddings and the readout, so that their products are what the contexts add."""
    config, unigram_FV = genie.config, learned.ngrams.unigram_FV
    left_RQ, right_CQ = low_rank(*learned.rows(), unigram_FV.flatten(), config.d_model - _TIME)
    position_NQ, last_XQ = left_RQ[: config.S], left_RQ[config.S :]
    gain = EMBEDDING_RMS / position_NQ.square().mean().sqrt().clamp(min=1e-6)
    ranks = slice(_TIME, _TIME + left_RQ.shape[1])

    genie.out_x_proj.bias.copy_(unigram_FV.log().flatten())
    genie.out_x_proj.weight.zero_()
    genie.out_x_proj.weight[:, ranks] = right_CQ / gain / config.readout_scale
    genie.pos_embed_TSC.zero_()
    genie.pos_embed_TSC[..., :_TIME] = _time_code(config.T)[:, None]
    genie.pos_embed_TSC[..., ranks] = position_NQ * gain / 2  # the last frame brings the other half
    embeds = cast(list[nn.Embedding], list(genie.token_embed.factored_embeds))
    for embed, last_VQ in zip(embeds, last_XQ.chunk(config.num_factored_vocabs), strict=True):
        embed.weight.zero_()
        embed.weight[:, ranks] = last_VQ * gain


def _time_code(frames: int) -> Tensor:
    """[T,P]: cosines, then sines, so that a rotation is a step in time."""
    angle_TP = torch.arange(frames)[:, None] * _FREQUENCIES
    return torch.cat([angle_TP.cos(), angle_TP.sin()], 1)


def _fetch_last(genie: Genie) -> None:
    """Every head of the first temporal attention looks at the frame before, and hands over what is embedded there."""
    config, attention = genie.config, _blocks(genie)[0].temporal_attn
    cos_PP, sin_PP = torch.diag(_FREQUENCIES.cos()), torch.diag(_FREQUENCIES.sin())
    back_PP = torch.cat([torch.cat([cos_PP, sin_PP], 1), torch.cat([-sin_PP, cos_PP], 1)])
    gap = float((1 - _FREQUENCIES.cos()).sum())
    strength = math.sqrt(SHARPNESS / gap / config.attention_scale)
    query_DD, key_DD, value_DD = attention.qkv.weight.chunk(3)
    key_DD.zero_()  # chance stays in the queries alone, where it changes nothing yet and lets the keys learn
    for head in range(config.num_heads):
        rows = slice(head * config.head_width, head * config.head_width + _TIME)
        query_DD[rows] = 0
        query_DD[rows, :_TIME] = strength * back_PP
        key_DD[rows, :_TIME] = strength * torch.eye(_TIME)
    value_DD.copy_(torch.eye(config.d_model))
    attention.proj.weight.copy_(torch.eye(config.d_model))
    attention.proj.weight[:_TIME] = 0  # the time of the last frame is not wanted
