"""PSNR and SSIM: what equal, different and exact pictures are worth, and what is said of a metric that is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from harness.scoring.perceptual import EXACT_PSNR_DB, Metric, open_metrics, psnr, ssim


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(3, 64, 48, 3), dtype=np.uint8)


def noisy(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def test_equal_images_are_as_near_as_can_be(images: np.ndarray) -> None:
    assert psnr(images, images).tolist() == [EXACT_PSNR_DB] * 3
    assert ssim(images, images) == pytest.approx(1)


def test_psnr_is_that_of_the_mean_squared_error() -> None:
    true = np.full((2, 32, 32, 3), 100, np.uint8)
    wrong = true.copy()
    wrong[0] += 255 - 100
    wrong[1] += 51
    assert psnr(wrong, true) == pytest.approx([20 * np.log10(255 / 155), 20 * np.log10(5)])


def test_one_wrong_value_does_not_beat_an_exact_image(images: np.ndarray) -> None:
    true = np.zeros((1, 256, 256, 3), np.uint8)
    wrong = true.copy()
    wrong[0, 5, 5, 0] = 1
    assert psnr(wrong, true)[0] == EXACT_PSNR_DB


def test_ssim_of_two_flat_images_is_its_closed_form() -> None:
    """Without variance what is left is (2ab + C1) / (a² + b² + C1), C1 = (0.01 * 255)²."""
    a, b, c1 = 50.0, 200.0, 2.55**2
    flat = [np.full((1, 32, 32, 3), value, np.uint8) for value in (a, b)]
    assert ssim(*flat) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-5)


def test_ssim_in_float32_is_that_in_float64(images: np.ndarray) -> None:
    other = noisy(images, 30)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    exact = [
        structural_similarity(
            a.astype(np.float64), b.astype(np.float64), channel_axis=-1, data_range=255, **settings
        )
        for a, b in zip(images, other, strict=True)
    ]
    assert ssim(images, other) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("compare", [psnr, ssim])
def test_more_noise_is_worse(images: np.ndarray, compare: Any) -> None:
    little, much = (compare(noisy(images, sigma), images) for sigma in (5, 50))
    assert (little > much).all()
    assert little.dtype == np.float64


@pytest.mark.parametrize("compare", [psnr, ssim])
def test_an_images_figure_does_not_depend_on_its_neighbours(images: np.ndarray, compare: Any) -> None:
    other = noisy(images, 20)
    together, alone = (
        compare(images, other),
        [compare(images[i : i + 1], other[i : i + 1])[0] for i in range(3)],
    )
    assert together.tolist() == alone


def test_without_weights_lpips_is_missing_and_says_how_to_fetch_them(tmp_path: Path) -> None:
    metrics = open_metrics(tmp_path)
    assert set(metrics.compare) == {Metric.PSNR, Metric.SSIM}
    assert set(metrics.missing) == {Metric.LPIPS}
    assert metrics.lpips_sha256 is None
    if importlib.util.find_spec("torch"):
        assert "wmc data pull --lpips" in metrics.missing[Metric.LPIPS]


@pytest.mark.parametrize(
    ("library", "missing"), [("torch", {Metric.LPIPS}), ("skimage", {Metric.PSNR, Metric.SSIM})]
)
def test_without_its_library_a_metric_is_missing_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, missing: set[Metric]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else found(name))
    metrics = open_metrics(tmp_path)
    assert missing <= set(metrics.missing)
    assert all("pip install" in metrics.missing[metric] for metric in missing)
    assert set(metrics.compare) | set(metrics.missing) == set(Metric)
