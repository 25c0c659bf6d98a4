"""Windows read token by token, with every step run once.

What is shown is kept until it matters: then one pass runs all steps that are new, be it one or eight frames of them.

Axes: B windows, P tokens of a window, N tokens of a frame, K continuations, F the two factors of a token, V values of a
factor.
"""

from __future__ import annotations

import math

import torch
from cache import KeyValueCache
from model import CausalLM, joined
from torch import Tensor


class Reading:
    """The true tokens of B windows so far, and what comes next."""

    def __init__(self, model: CausalLM, *, batch: int, noise_KNFV: Tensor) -> None:
        """`noise_KNFV`: what draws the continuations of a frame, see `gumbel_noise`."""
        self._model = model
        self._noise_KNFV = noise_KNFV
        continuations, device = len(noise_KNFV), noise_KNFV.device
        self._cache = KeyValueCache(model.config, batch=batch, continuations=continuations, device=device)
        shape = (batch, continuations, model.config.window_tokens)
        self._tokens_BKP = torch.zeros(shape, dtype=torch.int64, device=device)
        self._known = 0
        self._logits_BFV: Tensor | None = None  # of the token after the known ones

    @property
    def batch(self) -> int:
        """B."""
        return self._cache.batch

    def clear(self) -> None:
        """Begin new windows."""
        self._cut(0)

    def show_frame(self, tokens_BN: Tensor) -> None:
        """The next frame, int64; tokens shown of an unfinished one give way to it."""
        self._cut(self._frame_start())
        self._append(tokens_BN)

    def show_token(self, token_B: Tensor) -> None:
        """The next token, int64."""
        self._append(token_B[:, None])

    def next_logits(self) -> Tensor:
        """Logits [B,F,V] of the next token, float32; asking again changes nothing."""
        if self._known == 0:
            raise RuntimeError("call observe first: nothing of the window is known")
        if self._logits_BFV is None:
            self._cache.rewind(self._known - 1)
            self._logits_BFV = self._model.extend(self._tokens_BKP[:, 0, : self._known], self._cache)
        return self._logits_BFV

    def guess_frame(self, out_BNFV: Tensor) -> None:
        """Fill in log-probabilities of all tokens of the next frame, given whole frames only.

        What a token is likely to be depends on those before it in its frame, which are not known. So K continuations
        are drawn token by token, and the mean is taken of what they say.
        """
        self._cut(self._frame_start())
        begin, continuations = self._known, len(self._noise_KNFV)
        logits_BKFV = self.next_logits()[:, None].expand(-1, continuations, -1, -1)
        self._tokens_BKP[:, 1:, :begin] = self._tokens_BKP[:, :1, :begin]
        self._cache.fork(continuations)
        for position in range(out_BNFV.shape[1]):
            if position:
                known = begin + position
                logits_BKFV = self._model.branch(self._tokens_BKP[:, :, :known], self._cache)
            mean_BFV = logits_BKFV.log_softmax(-1).logsumexp(1) - math.log(continuations)
            out_BNFV[:, position] = mean_BFV
            drawn_BKF = (logits_BKFV + self._noise_KNFV[:, position]).argmax(-1)
            self._tokens_BKP[:, :, begin + position] = joined(drawn_BKF, self._model.config)
        self._cache.rewind(begin)

    def _frame_start(self) -> int:
        """Where the frame begins that is not whole yet."""
        return self._known - self._known % self._model.config.frame_tokens

    def _cut(self, length: int) -> None:
        if length < self._known:
            self._known = length
            self._cache.rewind(length)
            self._logits_BFV = None

    def _append(self, tokens_BX: Tensor) -> None:
        end = self._known + tokens_BX.shape[1]
        if end > self._tokens_BKP.shape[2]:
            raise RuntimeError(f"call reset: a window has {self._model.config.frames} frames")
        self._tokens_BKP[:, 0, self._known : end] = tokens_BX
        self._known = end
        self._logits_BFV = None


def gumbel_noise(model: CausalLM, continuations: int, *, seed: int) -> Tensor:
    """Noise [K,N,F,V]: the largest sum of a logit and its noise is a fair draw.

    It is the same for all windows, so that a window's prediction does not depend on its batch.
    """
    config, dice = model.config, torch.Generator().manual_seed(seed)
    shape = (continuations, config.frame_tokens, 2, config.factor_vocab)
    return -torch.empty(shape).exponential_(generator=dice).log().to(model.heads.weight.device)
