"""Token ids, their factors and their bits.

A token is an 18-bit code. Its factors are its two base-512 digits, least significant first; its bits are the 18
channels of the MAGVIT2 latent, bit 0 = channel 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.spec import CHALLENGE, ChallengeSpec


def factorize(tokens: NDArray[np.uint32], spec: ChallengeSpec = CHALLENGE) -> NDArray[np.int64]:
    """The factors of each token: `[...]` -> `[..., F]`, each in [0, factor_vocab)."""
    powers_F = spec.factor_vocab ** np.arange(spec.factors)
    return tokens[..., None].astype(np.int64) // powers_F % spec.factor_vocab


def unfactorize(factors: NDArray[np.int64], spec: ChallengeSpec = CHALLENGE) -> NDArray[np.uint32]:
    """The tokens with these factors: `[..., F]` -> `[...]`; the inverse of `factorize`."""
    powers_F = spec.factor_vocab ** np.arange(spec.factors)
    tokens: NDArray[np.uint32] = (factors.astype(np.int64) * powers_F).sum(-1).astype(np.uint32)
    return tokens
