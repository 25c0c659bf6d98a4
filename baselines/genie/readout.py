"""The loss of a readout without its logits: they are made, used and dropped a few rows at a time.

A row's logits are a thousand numbers, eight times the activations they come from in a small model. Where they are
made the gradient with respect to them is known as well, so it is taken on the spot, while they are in the cache.

Axes: R rows, D width, F factors, V values of a factor, C = F*V channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

CPU_ROWS = 256
"""Rows at a time: a MiB of logits."""
GPU_ROWS = 16384


class _Loss(Function):
    """See `loss_and_right`."""

    @staticmethod
    def forward(
        ctx: Any, x_RD: Tensor, weight_CD: Tensor, bias_C: Tensor, target_RF: Tensor
    ) -> tuple[Tensor, Tensor]:
        wants_gradient = any(ctx.needs_input_grad)
        step = GPU_ROWS if x_RD.is_cuda else CPU_ROWS
        nats, right = x_RD.new_zeros(()), torch.zeros((), dtype=torch.int64, device=x_RD.device)
        gradients = [torch.zeros_like(t) if wants_gradient else t for t in (x_RD, weight_CD, bias_C)]
        for begin in range(0, len(x_RD), step):
            rows = slice(begin, begin + step)
            some_nats, some_right, slope_RC = _of_rows(x_RD[rows], weight_CD, bias_C, target_RF[rows])
            nats += some_nats
            right += some_right
            if wants_gradient:
                torch.mm(slope_RC, weight_CD, out=gradients[0][rows])
                gradients[1].addmm_(slope_RC.T, x_RD[rows])
                gradients[2].add_(slope_RC.sum(0))
        if wants_gradient:
            ctx.save_for_backward(*gradients)
        ctx.mark_non_differentiable(right)
        return nats, right

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return (*(gradient * slope for gradient in ctx.saved_tensors), None)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch's; the number of rows differs from step to step
def loss_and_right(
    x_RD: Tensor, weight_CD: Tensor, bias_C: Tensor, target_RF: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats, summed over rows and factors, and how many rows are right in all factors.

    All in float32. The first has a gradient, once.
    """
    with torch.autocast(x_RD.device.type, enabled=False):
        nats, right = _Loss.apply(x_RD.float(), weight_CD, bias_C, target_RF)  # type: ignore[no-untyped-call]
    return nats, right


def _of_rows(
    x_RD: Tensor, weight_CD: Tensor, bias_C: Tensor, target_RF: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Nats, rows right, and the gradient of the nats with respect to the logits [R,C]."""
    at_RF1 = target_RF[..., None]
    logits_RFV = torch.addmm(bias_C, x_RD, weight_CD.T).view(*target_RF.shape, -1)
    highest_RF1, guess_RF1 = logits_RFV.max(-1, keepdim=True)
    logits_RFV -= highest_RF1
    picked_RF1 = logits_RFV.gather(-1, at_RF1)
    share_RFV = logits_RFV.exp_()
    total_RF1 = share_RFV.sum(-1, keepdim=True)
    nats = (total_RF1.log() - picked_RF1).sum()
    slope_RFV = share_RFV.div_(total_RF1)
    slope_RFV.scatter_add_(-1, at_RF1, torch.full_like(total_RF1, -1))
    return nats, (guess_RF1 == at_RF1).all(1).sum(), slope_RFV.flatten(1)
