"""AdamW under a learning rate that rises, then falls as a cosine."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from baselines.training.recipe import Recipe
from harness.errors import CheckpointInvalid

FILE_NAME = "optimizer.safetensors"
_MOMENTS = ("exp_avg", "exp_avg_sq")
_FIX = "remove the checkpoint's folder to go on from the one before it"


def share_of_peak(step: int, recipe: Recipe) -> float:
    """What the learning rate is multiplied by in this step; 0 is the first.

    A line up to 1 in step `warmup_steps - 1`, then half a cosine from 1 in the next towards `final_rate`, which the
    step after the last would have: so every step learns.
    """
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    fall = (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps)
    return recipe.final_rate + (1 - recipe.final_rate) * (1 + math.cos(math.pi * fall)) / 2


class Descent:
    """Takes the gradients and makes the step."""

    def __init__(self, groups: list[dict[str, Any]], recipe: Recipe) -> None:
        self._recipe = recipe
        self._peaks = [float(group["lr"]) for group in groups]
        self._parameters: list[Tensor] = [parameter for group in groups for parameter in group["params"]]
        self._adamw = torch.optim.AdamW(groups, betas=(recipe.beta1, recipe.beta2), fused=True)

    def step(self, step: int) -> Tensor:
        """Go down the gradients, which are gone afterwards; gives their norm before it was clipped."""
        share = share_of_peak(step, self._recipe)
        for group, peak in zip(self._adamw.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share
        norm = clip_grad_norm_(self._parameters, self._recipe.clip_norm)
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        return norm

    def save(self, folder: Path) -> None:
        """Write the moments, named by the parameter's place and their own name."""
        state = {
            f"{place}.{name}": value.detach().cpu().contiguous()
            for place, parameter in enumerate(self._parameters)
            for name, value in self._adamw.state[parameter].items()
        }
        save_file(state, folder / FILE_NAME)

    def load(self, folder: Path) -> None:
        """Take the moments that `save` wrote. Raises: CheckpointInvalid, if they are of other parameters."""
        path = folder / FILE_NAME
        try:
            saved = load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointInvalid(f"{path} cannot be read: {error}", fix=_FIX) from error
        missing = [key for key in self._shapes() if key not in saved]
        if missing:
            raise CheckpointInvalid(f"{path} lacks {len(missing)} tensors, {missing[0]} for one", fix=_FIX)
        if {key: tuple(value.shape) for key, value in saved.items()} != self._shapes():
            raise CheckpointInvalid(f"{path} is of a model of another shape", fix=_FIX)
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in saved.items():
            place, _, name = key.partition(".")
            moments.setdefault(int(place), {})[name] = value
        groups = self._adamw.state_dict()["param_groups"]
        self._adamw.load_state_dict({"state": moments, "param_groups": groups})

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """What `save` writes once a step has been made: each tensor's name and shape."""
        return {
            f"{place}.{name}": tuple(parameter.shape) if name in _MOMENTS else ()
            for place, parameter in enumerate(self._parameters)
            for name in ("step", *_MOMENTS)
        }
