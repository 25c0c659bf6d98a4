"""How a baseline is trained: what decides the numbers, and what only decides how they are come by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Starts(str, Enum):
    """Which windows of a clip are trained on."""

    UPSTREAM = "upstream"  # 1X's list, `filter_overlaps`
    ALL = "all"  # every frame that a window can begin with


class Precision(str, Enum):
    """Of the matrix products; norms, softmax, logits and weights are float32 in both."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What decides the numbers. A run can be resumed only under the recipe it began with.

    Attributes:
        steps: optimizer steps.
        batch: windows per optimizer step, over all processes and parts.
        learning_rate: at its peak, after `warmup_steps` of a linear rise; then a cosine towards
            `final_rate` times the peak, which the step after the last would have.
        beta1, beta2, weight_decay, clip_norm: of AdamW; gradients are scaled down to this norm.
        starts: which windows.
        precision: of the matrix products.
        seed: of the weights, the order of windows, and all that is drawn in a step.
    """

    steps: int
    batch: int = 64
    learning_rate: float = 5e-4
    warmup_steps: int = 1000
    final_rate: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    starts: Starts = Starts.UPSTREAM
    precision: Precision = Precision.FLOAT32
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a run is carried out. It may change from one resumption to the next; the numbers stay.

    Attributes:
        out: the run's folder, for one run at a time; all machines of a run share it.
        device: "cpu", "cuda" or "cuda:N"; None for the best there is.
        windows_per_pass: at most so many windows of one process at once; None for its whole share of the batch.
        compile: with torch.compile.
        log_every, eval_every, save_every: steps between lines, held-out evaluations and checkpoints.
        eval_windows: held-out windows evaluated, spread over the split; None for all.
        keep: how many of the last checkpoints stay, the best beside them.
    """

    out: Path
    device: str | None = None
    windows_per_pass: int | None = None
    compile: bool = False
    log_every: int = 10
    eval_every: int = 500
    save_every: int = 500
    eval_windows: int | None = 64
    keep: int = 2
