"""What was measured of one regime, as its record keeps it: figures, draws, and a few pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.scoring.perceptual_scores import SampledScore
from harness.scoring.state_probe import StateProbe


@dataclass(frozen=True, kw_only=True)
class SamplesReport:
    """One regime, asked several times.

    Attributes:
        draws: how many times (K).
        loss_mean, token_accuracy_mean: over draws.
        tokens_files, tokens_sha256: as `RegimeReport.tokens_file`, of every draw in order.
        lpips, psnr, ssim: the mean over draws, and the best of K; None where it was not measured.
    """

    draws: int
    loss_mean: float
    token_accuracy_mean: float
    tokens_files: tuple[str, ...]
    tokens_sha256: tuple[str, ...]
    lpips: SampledScore | None = None
    psnr: SampledScore | None = None
    ssim: SampledScore | None = None


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A picture of one window: truth above, prediction below.

    Attributes:
        window: which of the graded windows, counted from 0.
        first_raw_frame: where in the clip it begins.
        file, sha256: the artifact, below the store, and its digest.
        width, height: in pixels.
    """

    window: int
    first_raw_frame: int
    file: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class RegimeReport:
    """One regime's numbers; losses in nats per token, times in seconds on the host's clock.

    Attributes:
        loss, loss_ci, token_accuracy, loss_by_frame, windows: see `harness.scoring.sheet.Scores`.
        first_frame: the window's frame that `loss_by_frame` begins with.
        seconds_per_frame: from the first RESET to the last LOGITS, divided by the frames predicted.
        reply_s_median, reply_s_p95: latency of one reply.
        batch: windows per batch, as the guest asked and the host allowed.
        logits_dtype: what the guest sent, "<f4" or "<f2".
        state_probe: see `harness.scoring.state_probe`.
        tokens_file: the artifact with per-token nats and tokens, below the store; its sha256 beside it.
        lpips, psnr, ssim: decoded predictions against decoded truth, means over windows and frames, each with its
            interval and its means by frame as the loss has them; None where it was not measured.
        missing_metrics: for each of the three that was not measured, why; a grade from before they were has nothing.
        samples: what several draws of this regime gave, None where it was asked once; the figures above are those
            of the first draw.
        strips: what a few windows look like, the same ones in every grade on this data; none where nothing decodes.
        loss_by_window: mean over frames and positions, per graded window in the clip's order: what two grades are
            compared by; none in a record from before it was kept. Never published: an entry can write into it.
    """

    loss: float
    loss_ci: tuple[float, float]
    token_accuracy: float
    loss_by_frame: tuple[float, ...]
    first_frame: int
    windows: int
    seconds_per_frame: float
    reply_s_median: float
    reply_s_p95: float
    batch: int
    logits_dtype: str
    state_probe: StateProbe
    tokens_file: str
    tokens_sha256: str
    lpips: float | None = None
    lpips_ci: tuple[float, float] | None = None
    lpips_by_frame: tuple[float, ...] | None = None
    psnr: float | None = None
    psnr_ci: tuple[float, float] | None = None
    psnr_by_frame: tuple[float, ...] | None = None
    ssim: float | None = None
    ssim_ci: tuple[float, float] | None = None
    ssim_by_frame: tuple[float, ...] | None = None
    missing_metrics: Mapping[str, str] = field(default_factory=dict)
    samples: SamplesReport | None = None
    strips: tuple[Strip, ...] = ()
    loss_by_window: tuple[float, ...] = ()
