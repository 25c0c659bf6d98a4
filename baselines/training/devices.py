"""Where a baseline runs."""

from __future__ import annotations

import torch

from harness.errors import UsageError


def device_of(name: str | None, local_rank: int | None = None) -> torch.device:
    """The CPU, or a GPU with its index; without a name the best there is.

    `local_rank` is this process's where several share the machine: each has a GPU of its own. Raises: UsageError.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise UsageError(
            f"there is no device {name!r}", code="usage.device", fix="use cpu, cuda or cuda:N"
        ) from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise UsageError(
            f"baselines do not run on {device.type}", code="usage.device", fix="use cpu, cuda or cuda:N"
        )
    if str(device) == "cuda":  # without an index
        device = torch.device("cuda", local_rank or 0)
    elif local_rank is not None:
        raise UsageError(
            f"each process takes a GPU of its own, and --device names one: {name}",
            code="usage.device",
            fix="use --device cuda",
        )
    if device.index >= torch.cuda.device_count():
        raise UsageError(
            f"there is no {device}: torch sees {torch.cuda.device_count()} GPUs",
            code="usage.device",
            fix="use --device cpu, a smaller index, or fewer processes",
        )
    return device
