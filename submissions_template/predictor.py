"""Your model goes here. This one is complete: it learns, while it watches, how often each bit of a token changes.

Axes, in the order in which they stand in a name: B windows, H = 16 rows, W = 16 columns, F = 2 factors of a token,
V = 512 values of a factor, K = 18 bits of a token, S = 15 raw rows of actions, A action columns.

A token is an 18-bit number. Its factors are its two 9-bit digits, least significant first: token % 512, token // 512.
"""

import numpy as np

BITS = np.arange(18, dtype=np.uint32)
BITS_OF_VALUE_9V = (np.arange(512) >> np.arange(9)[:, None] & 1).astype(np.float32)  # [9, V]

# Before anything was seen: how often a bit changes from one frame to the next, half a second later.
PRIOR_FLIP = 0.3
PRIOR_CELLS = 256.0  # how many observed cells that belief is worth


class Predictor:
    """Keeps each bit as it is, as surely as it has been kept in this window so far."""

    # All three are optional; these are the defaults.
    max_batch = 64  # most windows at once: what fits into your GPU
    logits_dtype = "float32"  # or "float16"
    causal = False  # True if you also have predict_token and observe_token; then set it in wmc.toml as well

    def __init__(self) -> None:
        """Load your weights here. It is called once, before the clock starts."""

    def reset(self, batch: int) -> None:
        """A new batch of windows begins: forget everything about the last."""
        self.last_BHW = None
        self.guess_BHW = np.full((batch, 16, 16), 2**18, np.uint32)  # no frame equals it
        self.flips_BK = np.full((batch, 18), PRIOR_FLIP * PRIOR_CELLS)
        self.cells_B1 = np.full((batch, 1), PRIOR_CELLS)

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - not used yet
        """See one more frame of each window, uint32 [B,16,16].

        `actions_BSA`, float32 [B,15,A], are the robot's actions at 30 Hz up to this frame, never later ones. In the
        fully autoregressive regime the frames after the prompt are your own predictions, and the actions are zero.
        """
        if self.last_BHW is not None:
            # A frame that is exactly what was guessed is one's own: it says nothing about how the world changes.
            is_own_B1 = (frame_BHW == self.guess_BHW).all((1, 2))[:, None]
            changed_BK = bits(frame_BHW ^ self.last_BHW).sum((1, 2))
            self.flips_BK += np.where(is_own_B1, 0.0, changed_BK)
            self.cells_B1 += np.where(is_own_B1, 0.0, 256.0)
        self.last_BHW = frame_BHW

    def predict(self) -> "tuple[np.ndarray, np.ndarray]":
        """Say what comes next: logits, float32 [B,16,16,2,512], and tokens, uint32 [B,16,16].

        The loss is the cross-entropy of the logits, per factor, summed over both factors; they need no
        normalisation. The tokens are your single best guess: what the accuracy counts, and what you will see next
        in the fully autoregressive regime.
        """
        flip_BK = self.flips_BK / self.cells_B1
        # The evidence, in nats, that a bit is 1: positive where it is 1 now and rarely changes.
        keep_BK = np.log((1 - flip_BK) / flip_BK)
        evidence_BHWK = (2 * bits(self.last_BHW) - 1) * keep_BK[:, None, None]
        # Bits are independent here, so a value's logit is the evidence for all bits that are 1 in it.
        evidence_BHWF9 = evidence_BHWK.reshape(*self.last_BHW.shape, 2, 9).astype(np.float32)
        logits_BHWFV = evidence_BHWF9 @ BITS_OF_VALUE_9V
        self.guess_BHW = ((evidence_BHWK > 0).astype(np.uint32) << BITS).sum(-1, dtype=np.uint32)
        return logits_BHWFV, self.guess_BHW


def bits(tokens: np.ndarray) -> np.ndarray:
    """The 18 bits of each token, least significant first: [...] -> [..., 18], each 0.0 or 1.0."""
    return (tokens[..., None] >> BITS & 1).astype(np.float64)
