"""The processes that share a run: one by itself, or those that torchrun started."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

# Imported later, by DistributedDataParallel, its functions would keep this run's group as a default, for ever.
import torch.distributed.nn.functional
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from baselines.training.devices import device_of
from baselines.training.failures import lost_process_explained
from harness.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Team:
    """This process among those that learn together.

    Attributes:
        rank: 0 writes and speaks for all.
        size: how many there are.
        device: this one's own.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this one writes and speaks for all."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """This one's rows of a batch. Raises: UsageError, if it cannot be dealt out evenly."""
        if batch % self.size:
            raise UsageError(
                f"a batch of {batch} windows cannot be shared by {self.size} processes",
                code="usage.batch",
                fix=f"use --batch {-(-batch // self.size) * self.size}, or another number of processes",
            )
        rows = batch // self.size
        return range(self.rank * rows, (self.rank + 1) * rows)

    def total(self, shares: Tensor) -> Tensor:
        """The sum over all processes, at all of them."""
        if self.size > 1:
            shares = shares.clone()
            distributed.all_reduce(shares)
        return shares

    def as_first_says(self, number: int) -> int:
        """The first one's number, at all of them; none goes on before the first has come here."""
        return int(self.total(torch.tensor(int(number) if self.is_first else 0, device=self.device)))

    def distribute(self, model: nn.Module) -> nn.Module:
        """The model, which averages its gradients over the processes where there are several."""
        if self.size == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, gradient_as_bucket_view=True)


def unshared(model: nn.Module) -> AbstractContextManager[None]:
    """While it lasts, gradients are summed up and not yet averaged."""
    if isinstance(model, DistributedDataParallel):
        return model.no_sync()
    return nullcontext()


@contextmanager
def joined(device: str | None) -> Iterator[Team]:
    """The team, for as long as it works together; `device` None is the best there is.

    Raises: UsageError, TrainingFailed.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    own = device_of(device, int(os.environ.get("LOCAL_RANK", "0")) if size > 1 else None)
    team = Team(rank=rank, size=size, device=own)
    if size == 1:
        yield team
        return
    if own.type == "cuda":
        torch.cuda.set_device(own)
        distributed.init_process_group("nccl", device_id=own)
    else:
        distributed.init_process_group("gloo")
    try:
        with lost_process_explained():
            yield team
    finally:
        # A group that something still refers to keeps its threads. One of them that drops its last tensor while the
        # interpreter ends aborts the process.
        gc.collect()
        distributed.destroy_process_group()
