"""Windows continued by a Genie: on its own predictions, or each frame on true ones.

Axes: B windows, T frames, H rows, W columns, P predicted frames, S raw rows of a block of actions, A action columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from cache import windows_that_fit
from model import Genie
from numpy.typing import NDArray
from rollout import Rollout, Sampling, order_noise, teacher_forced
from torch import Tensor

from harness.errors import UsageError
from harness.progress import Progress
from harness.spec import CHALLENGE

LEAST_TEMPERATURE = 1e-4  # logits divided by less may overflow; so cold, draws are the likeliest value anyway
SEEDS = 2**63


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the tokens, apart from the weights and the clip.

    Attributes:
        examples: which windows, counted over the clip's disjoint ones from 0.
        prompt_frames: true frames before the first predicted one.
        maskgit_steps: in which a frame is filled.
        temperature: 0 takes each factor's likeliest value; more divides the logits before one is drawn.
        teacher_forced: whether every frame is predicted from the true ones before it, not from predictions.
        by_confidence: whether the most confident positions are settled first, or random ones.
        seed: of that random order, and of the draws, which are each window's own.
    """

    examples: tuple[int, ...]
    prompt_frames: int = CHALLENGE.prompt_frames
    maskgit_steps: int = 2
    temperature: float = 0.0
    teacher_forced: bool = False
    by_confidence: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        most = CHALLENGE.tokens_per_frame
        if not 1 <= self.prompt_frames < CHALLENGE.window:
            raise UsageError(
                f"{self.prompt_frames} prompt frames of a window of {CHALLENGE.window}",
                code="usage.prompt_frames",
                fix=f"use --prompt-frames 1 to {CHALLENGE.window - 1}",
            )
        if not 1 <= self.maskgit_steps <= most:
            raise UsageError(
                f"{self.maskgit_steps} MaskGIT steps for a frame of {most} tokens",
                code="usage.maskgit_steps",
                fix=f"use --maskgit-steps 1 to {most}",
            )
        if not (self.temperature == 0 or LEAST_TEMPERATURE <= self.temperature < math.inf):
            raise UsageError(
                f"a temperature of {self.temperature}",
                code="usage.temperature",
                fix=f"use --temperature 0 for the likeliest tokens, or {LEAST_TEMPERATURE} and more to draw them",
            )
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"the seed is {self.seed}", code="usage.seed", fix="use 0 to 2**63 - 1")
        if len(set(self.examples)) != len(self.examples) or not self.examples:
            raise UsageError(
                "no example" if not self.examples else "an example is named twice",
                code="usage.example",
                fix="name each window once in --example: a window's tokens are the same every time",
            )


@torch.inference_mode()
def continued(
    model: Genie,
    truth_BTHW: NDArray[np.uint32],
    actions_BTSA: NDArray[np.float32],
    settings: Settings,
    *,
    progress: Progress,
) -> NDArray[np.uint32]:
    """The windows [B,T,H,W] with predictions from frame `prompt_frames` on; as many at once as memory allows.

    A Genie that is told actions is told those of true frames, and none with its own predictions. Windows whose tokens
    are drawn go one at a time: then each has a generator of its own.
    """
    tokens_BTHW = truth_BTHW.copy()
    noise_TKN = None
    if not settings.by_confidence:
        noise_TKN = order_noise(model.config, settings.maskgit_steps, seed=settings.seed)
    with progress.step("generating", total=len(truth_BTHW)) as advance:
        for begin, end in _batches(len(truth_BTHW), model, settings):
            sampling = Sampling(
                steps=settings.maskgit_steps,
                noise_TKN=noise_TKN,
                temperature=settings.temperature,
                generator=_generator(settings, settings.examples[begin], model),
            )
            shown_BTHW = torch.from_numpy(truth_BTHW[begin:end].astype(np.int64))
            told_BTSA = torch.from_numpy(actions_BTSA[begin:end]) if model.config.action_width else None
            predict = _from_truth if settings.teacher_forced else _from_predictions
            predicted_BPHW = predict(model, shown_BTHW, told_BTSA, settings.prompt_frames, sampling)
            tokens_BTHW[begin:end, settings.prompt_frames :] = predicted_BPHW.cpu().numpy()
            advance(end - begin)
    return tokens_BTHW


def _from_truth(
    model: Genie, truth_BTHW: Tensor, told_BTSA: Tensor | None, prompt_frames: int, sampling: Sampling
) -> Tensor:
    """Frames prompt_frames.. [B,P,H,W], each predicted from all true frames before it."""
    tokens_BTHW, _ = teacher_forced(model, truth_BTHW, sampling=sampling, actions_BTSA=told_BTSA)
    return tokens_BTHW[:, prompt_frames - 1 :]


def _from_predictions(
    model: Genie, truth_BTHW: Tensor, told_BTSA: Tensor | None, prompt_frames: int, sampling: Sampling
) -> Tensor:
    """Frames prompt_frames.. [B,P,H,W], each predicted from the prompt and the predictions before it."""
    rollout = Rollout(model, batch=len(truth_BTHW), sampling=sampling)
    for t in range(prompt_frames):
        rollout.show(truth_BTHW[:, t], None if told_BTSA is None else told_BTSA[:, t])
    predicted: list[Tensor] = []
    for _ in range(truth_BTHW.shape[1] - prompt_frames):
        frame_BHW, _ = rollout.predict()
        rollout.show(frame_BHW)
        predicted.append(frame_BHW)
    return torch.stack(predicted, 1)


def _batches(windows: int, model: Genie, settings: Settings) -> Iterator[tuple[int, int]]:
    """Windows begin..end-1, a batch at a time."""
    capacity = model.config.T * (
        2 if settings.teacher_forced else 1
    )  # side by side guesses are cached as well
    fitting = windows_that_fit(model.config, capacity=capacity, device=model.pos_embed_TSC.device)
    size = 1 if settings.temperature else fitting
    return ((begin, min(begin + size, windows)) for begin in range(0, windows, size))


def _generator(settings: Settings, example: int, model: Genie) -> torch.Generator | None:
    """What draws the tokens of this window, and of no other."""
    if not settings.temperature:
        return None
    seed = np.random.SeedSequence([settings.seed, example]).generate_state(1, np.uint64)
    return torch.Generator(model.pos_embed_TSC.device).manual_seed(int(seed[0]))
