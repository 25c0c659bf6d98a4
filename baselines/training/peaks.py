"""What a device can do: operations per second at its peak, by the datasheet or else measured."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import torch

from baselines.training.recipe import Precision

# Dense peaks in teraflops per second: (bfloat16, float32 as TF32, float32). Vendors also print twice as much, "sparse".
# A100: datasheet 1758950. H100, H200: datasheets of 2023 and 2024 (SXM, PCIe, NVL apart). B200, GB200: Blackwell
# datasheet 2024. RTX 3090: whitepaper GA102 v2.1, 4090: Ada v2.0, 5090: Blackwell v1.1, with float32 sums. L4, L40S,
# A10: their datasheets. Whatever else there is, slices of a GPU (MIG) too, is measured.
_DATASHEETS: dict[str, tuple[float, float, float]] = {
    r"NVIDIA A100.*": (312, 156, 19.5),
    r"NVIDIA H100 PCIe": (756, 378, 51),
    r"NVIDIA H100 NVL": (835, 417, 60),
    r"NVIDIA H100 80GB HBM3|NVIDIA GH200 .*|NVIDIA H200": (989, 494, 67),
    r"NVIDIA H200 NVL": (835, 417, 60),
    r"NVIDIA B200": (2250, 1100, 75),
    r"NVIDIA GB200": (2500, 1250, 80),
    r"NVIDIA GeForce RTX 3090": (71, 35.6, 35.6),
    r"NVIDIA GeForce RTX 4090": (165.2, 82.6, 82.6),
    r"NVIDIA GeForce RTX 5090": (209.5, 104.8, 104.8),
    r"NVIDIA L4": (121, 60, 30.3),
    r"NVIDIA L40S": (362, 183, 91.6),
    r"NVIDIA A10": (125, 62.5, 31.2),
}

_LONG_ENOUGH_S = 0.02  # a product that takes this long tells the rate
_SMALLEST, _LARGEST, _TRIES = 256, 16384, 4


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What one device can do, and how we know: `source` is for people."""

    flops_per_s: float
    source: str


def peak_flops(device: torch.device, precision: Precision) -> Peak:
    """The most that matrix products of this precision can reach: by the datasheet, or else measured here and now."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    teraflops = _by_datasheet(name)
    if teraflops is None:
        return _measured(device, precision, name)
    if precision is Precision.BFLOAT16:
        kind, value = "bfloat16", teraflops[0]
    elif torch.backends.cuda.matmul.fp32_precision == "tf32":
        kind, value = "TF32", teraflops[1]
    else:
        kind, value = "float32", teraflops[2]
    return Peak(flops_per_s=value * 1e12, source=f"datasheet of {name}, dense {kind}")


def _by_datasheet(name: str) -> tuple[float, float, float] | None:
    if "MIG" in name:
        return None
    return next((found for known, found in _DATASHEETS.items() if re.fullmatch(known, name)), None)


def _measured(device: torch.device, precision: Precision, name: str) -> Peak:
    """The best rate of a square product, made larger until even the fastest of a few takes long enough to be timed."""
    size = _SMALLEST
    while (best_s := _fastest_s(size, device, precision)) < _LONG_ENOUGH_S and size < _LARGEST:
        size *= 2
    count = torch.get_num_threads()
    threads = f" on {count} thread{'s' * (count > 1)}" if device.type == "cpu" else ""
    return Peak(
        flops_per_s=2 * size**3 / best_s,
        source=f"{precision.value} product of {size}x{size} matrices measured on {name}{threads}",
    )


def _fastest_s(size: int, device: torch.device, precision: Precision) -> float:
    """Seconds of the fastest of a few products: the first starts the library, and a busy machine interrupts others."""
    return min(_product_s(size, device, precision) for _ in range(_TRIES))


def _product_s(size: int, device: torch.device, precision: Precision) -> float:
    """Seconds of one product."""
    dtype = torch.bfloat16 if precision is Precision.BFLOAT16 else torch.float32
    # A generator of its own: a run's numbers do not depend on being measured.
    dice = torch.Generator(device).manual_seed(0)
    left = torch.rand(size, size, device=device, dtype=dtype, generator=dice)
    out = torch.empty_like(left)
    _wait_for(device)
    began_s = time.perf_counter()
    torch.mm(left, left, out=out)
    _wait_for(device)
    return time.perf_counter() - began_s


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
