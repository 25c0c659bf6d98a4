"""What a run costs: floating-point operations of learning from one window.

What the model's own operations make up, whatever kernel does them: what it computes twice counts once, and attention
counts whole, causal or not. So a figure from a CPU compares with one from a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from baselines.training.learner import Batch, Learner

DRAWS = 400
"""Exercises that are drawn to find one of the usual size: 1X's way varies by half of what it asks from step to step."""

_Shape = tuple[int, ...]


def flops_per_window(learner: Learner, batch: Batch) -> float:
    """Floating-point operations of one forward and backward pass over one window, as it is drawn on average.

    The first window of `batch` is drawn again and again, for a pass costs as much as is asked; the one pass that is
    counted is over what is nearest to the mean. `learner.model` must not be compiled in place. Gradients and the global
    random state are afterwards as after no pass; the learner's mode stays.
    """
    window, device = batch.rows(0, 1), batch.tokens_BTHW.device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        usual = _drawn(learner, window, _usual_seed(learner, window))
        with FlopCounterMode(display=False, custom_mapping=_formulas()) as counter:
            loss, _ = learner.model(*usual)
            loss.backward()
    learner.model.zero_grad(set_to_none=True)
    return float(counter.get_total_flops())


def _usual_seed(learner: Learner, window: Batch) -> int:
    """Draws the exercise whose size is nearest to the mean: operations grow in a line with how much is asked."""
    sizes = [sum(tensor.numel() for tensor in _drawn(learner, window, seed)) for seed in range(DRAWS)]
    mean = sum(sizes) / len(sizes)
    return min(range(DRAWS), key=lambda seed: abs(sizes[seed] - mean))


def _drawn(learner: Learner, window: Batch, seed: int) -> tuple[Tensor, ...]:
    """What the model takes of an exercise of this one window."""
    generator = torch.Generator(window.tokens_BTHW.device).manual_seed(seed)
    return learner.exercise(window, generator).part(0, 1)


def _formulas() -> dict[Any, Callable[..., int]]:
    """What torch's counter does not know, or counts with what a kernel computes again in its backward pass."""
    kernels = torch.ops.aten
    return {
        kernels.addmm_: _addition_flops,
        kernels._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
        kernels._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
        kernels._scaled_dot_product_flash_attention_backward: _attention_backward_flops,
        kernels._scaled_dot_product_efficient_attention_backward: _attention_backward_flops,
        kernels._scaled_dot_product_cudnn_attention_backward: _attention_backward_flops,
    }


def _addition_flops(_: _Shape, left_shape: _Shape, right_shape: _Shape, **__: object) -> int:
    """A product of two matrices, added to a third."""
    return 2 * math.prod(left_shape) * right_shape[-1]


def _attention_flops(query_shape: _Shape, key_shape: _Shape, *_: object, **__: object) -> int:
    """Two products: the scores, and with them the values. Shapes end in (positions, width)."""
    return 2 * (2 * math.prod(query_shape) * key_shape[-2])


def _attention_backward_flops(
    _: _Shape, query_shape: _Shape, key_shape: _Shape, *__: object, **___: object
) -> int:
    """Four: the gradients of weights, values, queries and keys. The kernel has a fifth, the scores again."""
    return 4 * (2 * math.prod(query_shape) * key_shape[-2])
