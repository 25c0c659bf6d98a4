"""How near a picture comes to the true one: LPIPS, PSNR and SSIM, image by image.

LPIPS needs torch and its weights, the others scikit-image. What cannot be measured here is named with its reason.

Axes: B images, Y and X pixels, C colours.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import WmcError
from harness.extras import install
from harness.scoring.perceptual_lpips import Lpips
from harness.workers import cores

EXACT_PSNR_DB = 100.0
"""The PSNR of an image without a mistake, which is infinite; no 256x256 image with one exceeds 101.1 dB."""
_MAX_THREADS = 16

CANNOT_LOOK = (WmcError, ImportError, RuntimeError, MemoryError, OSError, ValueError)
"""What opening a codec or a metric, decoding and comparing may end with on some machine; it costs pictures alone.

RuntimeError is torch's: a GPU without room, or lost.
"""

Compare = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]
"""Images and true images, uint8 `[B,Y,X,3]`, to one number each: float64 `[B]`."""


class Metric(str, Enum):
    """What is measured of a picture."""

    LPIPS = "lpips"
    PSNR = "psnr"
    SSIM = "ssim"

    @property
    def higher_is_better(self) -> bool:
        """LPIPS is a distance, the others are not."""
        return self is not Metric.LPIPS

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which values it is told; of pictures none lies beyond, save a larger LPIPS, which says no more."""
        return _BOUNDS[self]


_BOUNDS = {Metric.LPIPS: (0.0, 2.0), Metric.PSNR: (0.0, 102.0), Metric.SSIM: (-1.0, 1.0)}


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What this machine can measure.

    Attributes:
        compare: the metrics it can.
        missing: one sentence for each that it cannot; every metric is in one of the two.
        lpips_sha256: of the weights of LPIPS, None without them.
    """

    compare: Mapping[Metric, Compare]
    missing: Mapping[Metric, str]
    lpips_sha256: str | None = None


def open_metrics(lpips_weights: Path, *, device: str | None = None) -> Metrics:
    """Every metric whose library, and for LPIPS whose weights, are there; `device` is LPIPS' own."""
    compare: dict[Metric, Compare] = {}
    missing: dict[Metric, str] = {}
    sha256 = None
    try:
        lpips = Lpips.load(lpips_weights, device=device)
    except CANNOT_LOOK as error:
        missing[Metric.LPIPS] = why(error)
    else:
        compare[Metric.LPIPS], sha256 = lpips, lpips.sha256
    if importlib.util.find_spec("skimage") is None:
        reason = f"scikit-image is not installed; {install('pictures')}"
        missing |= {Metric.PSNR: reason, Metric.SSIM: reason}
    else:
        compare |= {Metric.PSNR: psnr, Metric.SSIM: ssim}
    return Metrics(compare=compare, missing=missing, lpips_sha256=sha256)


def why(error: Exception) -> str:
    """What happened, and what to do where that is known, in one line of a record."""
    if isinstance(error, WmcError):
        return f"{error.message}; {error.fix}"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def by_reason(missing: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The metrics that each reason keeps from being measured, every one once, from (metric, reason) pairs."""
    reasons: dict[str, list[str]] = {}
    for metric, reason in missing:
        metrics = reasons.setdefault(reason, [])
        if metric not in metrics:
            metrics.append(metric)
    return reasons


def psnr(images_BYXC: NDArray[np.uint8], true_BYXC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each image in decibels, at most `EXACT_PSNR_DB`."""
    from skimage.metrics import peak_signal_noise_ratio

    def one(image_YXC: NDArray[np.uint8], true_YXC: NDArray[np.uint8]) -> float:
        if np.array_equal(image_YXC, true_YXC):
            return EXACT_PSNR_DB
        ratio: float = peak_signal_noise_ratio(true_YXC, image_YXC, data_range=255)
        return min(EXACT_PSNR_DB, ratio)

    return _each(one, images_BYXC, true_BYXC)


def ssim(images_BYXC: NDArray[np.uint8], true_BYXC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity of each image, 1 for equal ones, the mean over its colours.

    With the settings of Wang et al. (2004): a Gaussian window of 1.5 pixels, no correction for the sample's size.
    """
    from skimage.metrics import structural_similarity

    def one(image_YXC: NDArray[np.uint8], true_YXC: NDArray[np.uint8]) -> float:
        similarity: float = structural_similarity(
            image_YXC.astype(np.float32),  # half the time of float64, which bytes would become
            true_YXC.astype(np.float32),
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        return similarity

    return _each(one, images_BYXC, true_BYXC)


def _each(
    compare: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float],
    images_BYXC: NDArray[np.uint8],
    true_BYXC: NDArray[np.uint8],
) -> NDArray[np.float64]:
    """`compare` of each pair; its filters let other threads run."""
    with ThreadPoolExecutor(min(cores(), _MAX_THREADS)) as threads:
        return np.array(list(threads.map(compare, images_BYXC, true_BYXC)), np.float64)
