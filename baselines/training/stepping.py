"""One optimizer step: draw the exercise of the whole batch, learn from one's own rows in parts, go down."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise

import torch
from torch import Tensor

from baselines.training.distributed import Team, unshared
from baselines.training.learner import Batch, Learner
from baselines.training.optimizer import Descent
from baselines.training.order import step_seed
from baselines.training.recipe import Precision, Recipe

_QUEUED_STEPS = 2


class Stepper:
    """Takes optimizer steps. Each is the same, but for rounding, with any number of processes and of parts."""

    def __init__(
        self, learner: Learner, recipe: Recipe, team: Team, *, windows_per_pass: int | None, compiled: bool
    ) -> None:
        self.descent = Descent(learner.parameter_groups(recipe.learning_rate, recipe.weight_decay), recipe)
        self.parts = parts_of(team.share(recipe.batch), windows_per_pass)
        self._learner = learner
        self._recipe = recipe
        self._team = team
        self._distributed = team.distribute(learner.model)
        self._forward: Callable[..., tuple[Tensor, Tensor]] = (
            torch.compile(self._distributed) if compiled else self._distributed
        )
        self._generator = torch.Generator(team.device)
        self._ends: deque[torch.cuda.Event] = deque()

    def take(self, step: int, batch: Batch) -> Tensor:
        """Take this step (0 is the first) with the whole batch; gives one's shares of `history.NAMES`: [3]."""
        self._learner.model.train()
        self._generator.manual_seed(step_seed(self._recipe.seed, step))
        exercise = self._learner.exercise(batch, self._generator)
        scores = torch.zeros(2, device=self._team.device)
        with products(self._recipe.precision, self._team.device):
            for part in self.parts:
                is_last = part is self.parts[-1]
                with nullcontext() if is_last else unshared(self._distributed):
                    with self._autocast():
                        loss, accuracy = self._forward(*exercise.part(part.start, part.stop))
                    # Gradients will be averaged, and shares are to be summed.
                    torch.autograd.backward(loss * self._team.size)
                scores += torch.stack([loss, accuracy]).detach()
        norm = self.descent.step(step)
        self._keep_pace()
        return torch.cat([scores, norm.detach()[None]])

    def _keep_pace(self) -> None:
        """Wait for the step before the last: a GPU has enough to do, and a clock shows its pace, not the queue's."""
        if self._team.device.type != "cuda":
            return
        self._ends.append(torch.cuda.current_stream(self._team.device).record_event())
        if len(self._ends) > _QUEUED_STEPS:
            self._ends.popleft().synchronize()

    def _autocast(self) -> torch.autocast:
        is_low = self._recipe.precision is Precision.BFLOAT16
        return torch.autocast(
            self._team.device.type, dtype=torch.bfloat16 if is_low else None, enabled=is_low
        )


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[None]:
    """With bfloat16, what stays float32 may be multiplied as TF32 on a GPU: it has three bits more."""
    before = torch.get_float32_matmul_precision()
    if precision is Precision.BFLOAT16 and device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def parts_of(rows: range, at_most: int | None) -> list[range]:
    """These rows in as few parts of at most so many as will do, as equal as they can be."""
    count = -(-len(rows) // (at_most or len(rows)))
    edges = [rows.start + len(rows) * k // count for k in range(count + 1)]
    return [range(begin, end) for begin, end in pairwise(edges)]
