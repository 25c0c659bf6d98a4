"""What devices can do: by the datasheet, else measured."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from baselines.training.recipe import Precision

pytestmark = pytest.mark.torch


@pytest.fixture
def peaks(torch):
    return importlib.import_module("baselines.training.peaks")


@pytest.mark.parametrize(
    ("name", "bfloat16", "tf32", "float32"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12, 156e12, 19.5e12),
        ("NVIDIA H100 80GB HBM3", 989e12, 494e12, 67e12),
        ("NVIDIA H100 PCIe", 756e12, 378e12, 51e12),
        ("NVIDIA H200", 989e12, 494e12, 67e12),
        ("NVIDIA B200", 2250e12, 1100e12, 75e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12, 82.6e12, 82.6e12),
    ],
)
def test_a_known_gpu_has_the_dense_peak_of_its_datasheet(
    torch, peaks, monkeypatch, name, bfloat16, tf32, float32
):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    gpu = torch.device("cuda")
    assert peaks.peak_flops(gpu, Precision.BFLOAT16).flops_per_s == pytest.approx(bfloat16)
    matmul = SimpleNamespace(fp32_precision="ieee")  # the real one is process-wide
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    assert peaks.peak_flops(gpu, Precision.FLOAT32).flops_per_s == pytest.approx(float32)
    matmul.fp32_precision = "tf32"
    peak = peaks.peak_flops(gpu, Precision.FLOAT32)
    assert peak.flops_per_s == pytest.approx(tf32)
    assert peak.source == f"datasheet of {name}, dense TF32"


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "Tesla T4",
        "CPU",
    ],
)
def test_the_datasheet_of_another_gpu_is_never_taken(peaks, name):
    assert peaks._by_datasheet(name) is None


@pytest.mark.parametrize("precision", list(Precision))
def test_where_there_is_no_datasheet_the_rate_of_a_product_is_measured(torch, peaks, monkeypatch, precision):
    ticks = iter(range(100))
    monkeypatch.setattr(peaks.time, "perf_counter", lambda: 0.25 * next(ticks))
    before = torch.get_rng_state()
    peak = peaks.peak_flops(torch.device("cpu"), precision)
    assert peak.flops_per_s == 2 * 256**3 / 0.25
    assert peak.source == f"{precision.value} product of 256x256 matrices measured on CPU on 1 thread"
    assert torch.equal(torch.get_rng_state(), before)


def test_a_product_that_is_over_too_soon_is_made_larger(torch, peaks, monkeypatch):
    """At 256 one try is interrupted, but another shows that it is too short; at 512 even the fastest is long enough."""
    took_s = iter([1, 0.001, 0.5, 0.002, 0.08, 0.09, 0.05, 0.07])
    sizes = []

    def product_s(size, device, precision):
        sizes.append(size)
        return next(took_s)

    monkeypatch.setattr(peaks, "_product_s", product_s)
    peak = peaks.peak_flops(torch.device("cpu"), Precision.FLOAT32)
    assert sizes == [256] * 4 + [512] * 4
    assert peak.flops_per_s == 2 * 512**3 / 0.05
