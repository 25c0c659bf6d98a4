"""What ends a run early, said so that its owner knows what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import distributed

from harness.errors import TrainingFailed

_NO_MEMORY_ON_CPU = "DefaultCPUAllocator"


@contextmanager
def out_of_memory_explained(windows_per_pass: int) -> Iterator[None]:
    """Work on so many windows at once. Raises: TrainingFailed, if there is no memory for it."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not isinstance(error, torch.OutOfMemoryError) and _NO_MEMORY_ON_CPU not in str(error):
            raise
        fix = (
            f"use --windows-per-pass {windows_per_pass // 2}: the numbers stay the same"
            if windows_per_pass > 1
            else "use a smaller --config, or --precision bfloat16 in another --out"
        )
        windows = f"{windows_per_pass} window{'s' * (windows_per_pass > 1)}"
        raise TrainingFailed(
            f"there is no memory for {windows} at once: {_first_line(error)}",
            code="training.out_of_memory",
            fix=fix,
        ) from error


@contextmanager
def lost_process_explained() -> Iterator[None]:
    """Work together. Raises: TrainingFailed, if another process has gone."""
    try:
        yield
    except RuntimeError as error:  # distributed.DistError is one; gloo has none of its own
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise TrainingFailed(
            f"another process of this run has ended: {_first_line(error)}",
            code="training.process_lost",
            fix="see what it said; afterwards the same command goes on from the last checkpoint",
        ) from error


def check_finite(names: Sequence[str], values: Sequence[float], step: int) -> None:
    """TrainingFailed if one of these values of a step (1 is the first) is not a finite number."""
    for name, value in zip(names, values, strict=True):
        if not math.isfinite(value):
            raise TrainingFailed(
                f"the {name} of step {step:,} is {value}: the run has run away",
                code="training.not_finite",
                fix="start again in another --out with a lower --learning-rate, more --warmup-steps or "
                "--precision float32; checkpoints from before that step are kept",
            )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
