"""The causal language model as the trainer sees it: named sizes with their recipes, and every next token at once.

Axes: B windows, T frames, H rows, W columns, P tokens of a window, N tokens of a frame, F the two factors of a token,
V values of a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkpoint
import torch
from config import CausalConfig, CheckpointError, check_challenge, read_config
from model import CausalLM, factors
from ngrams import begin_with_ngrams
from torch import Tensor, nn
from torch.nn import functional

from baselines.training.configs import config_file
from baselines.training.learner import Batch
from baselines.training.recipe import Recipe, Starts
from harness.data.clips import Clip
from harness.errors import CheckpointInvalid, UsageError
from harness.protocol.regimes import Regime

ENTRY_FILES = (
    "build.sh",
    "cache.py",
    "checkpoint.py",
    "config.py",
    "evaluate.py",
    "layers.py",
    "model.py",
    "predictor.py",
    "reading.py",
    "requirements.txt",
)
"""What runs in the grader's box, beside the manifest and a checkpoint's two files."""

_SHAPES = {
    "tiny": CausalConfig(num_layers=2, num_heads=4, d_model=128),
    "small": CausalConfig(num_layers=8, num_heads=6, d_model=384),
}
CONFIGS = tuple(_SHAPES)
"""The named sizes; any other config is the path of a config.json."""

_RECIPES = {
    "tiny": Recipe(
        steps=400, batch=2, learning_rate=2e-3, warmup_steps=40, weight_decay=0.1, starts=Starts.ALL
    ),
    "small": Recipe(
        steps=20_000, batch=32, learning_rate=6e-4, warmup_steps=1000, weight_decay=0.1, starts=Starts.ALL
    ),
}


def recipe(config: str) -> Recipe:
    """The recipe that belongs to a named size; that of `small` for a file."""
    return _RECIPES.get(config, _RECIPES["small"])


def origin(config: str) -> str:  # noqa: ARG001 - all sizes begin so
    """What the weights are before the first step."""
    return "from n-grams"


def make(config: str, device: torch.device, *, clip: Clip) -> CausalLearner:
    """A learner on the device whose weights know the clip's n-grams. `config` is a named size or a config.json."""
    lm = CausalLM(_shape(config))
    begin_with_ngrams(lm, clip)
    return CausalLearner(lm.to(device))


class NextTokens(nn.Module):
    """All tokens after the first frame, each given all before it, in one pass."""

    def __init__(self, lm: CausalLM) -> None:
        super().__init__()
        self.lm = lm

    def forward(self, tokens_BP: Tensor, tokens_in_all: Tensor) -> tuple[Tensor, Tensor]:
        """These windows' share of the loss, in nats per token, and of the token accuracy of `tokens_in_all` tokens."""
        logits_XFV, target_XF = self._predicted(tokens_BP)
        nats = functional.cross_entropy(logits_XFV.flatten(0, 1), target_XF.flatten(), reduction="sum")
        num_right = (logits_XFV.detach().argmax(-1) == target_XF).all(-1).sum()
        return nats / tokens_in_all, num_right / tokens_in_all

    def window_losses(self, tokens_BP: Tensor) -> Tensor:
        """Nats per token of each window [B], float64."""
        logits_XFV, target_XF = self._predicted(tokens_BP)
        nats_X = functional.cross_entropy(logits_XFV.flatten(0, 1), target_XF.flatten(), reduction="none")
        return nats_X.view(len(tokens_BP), -1, target_XF.shape[-1]).sum(-1).double().mean(1)

    def _predicted(self, tokens_BP: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B*(P-N),F,V] and what should have been predicted [B*(P-N),F]."""
        target_BPF = factors(tokens_BP[:, self.lm.config.frame_tokens :], self.lm.config)
        return self.lm(tokens_BP).flatten(0, 1), target_BPF.flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class NextTokenExercise:
    """Windows as they are: nothing is drawn.

    Attributes:
        tokens_BP: int64.
        tokens_in_all: how many are predicted in the whole batch, float32 scalar.
    """

    tokens_BP: Tensor
    tokens_in_all: Tensor

    def part(self, begin: int, end: int) -> tuple[Tensor, ...]:
        """What NextTokens takes for windows begin..end-1."""
        return self.tokens_BP[begin:end], self.tokens_in_all


class CausalLearner:
    """A causal language model in training, held out in the regime it is trained for."""

    heldout_regime = Regime.FULLY_TEACHER_FORCED.in_words

    def __init__(self, lm: CausalLM) -> None:
        self._lm = lm
        self._next_tokens = NextTokens(lm)
        self.model: nn.Module = self._next_tokens
        self.reads_actions = False

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """Matrices decay; embeddings and norms, where a step moves few or single numbers, do not."""
        matrices = [module.weight for module in self._lm.modules() if isinstance(module, nn.Linear)]
        decaying = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in self._lm.parameters() if id(parameter) not in decaying]
        return [
            {"params": matrices, "lr": learning_rate, "weight_decay": weight_decay},
            {"params": others, "lr": learning_rate, "weight_decay": 0.0},
        ]

    def exercise(self, batch: Batch, generator: torch.Generator) -> NextTokenExercise:  # noqa: ARG002 - nothing to draw
        """The whole batch, to be predicted token by token."""
        tokens_BP = batch.tokens_BTHW.flatten(1)
        predicted = tokens_BP.shape[0] * (tokens_BP.shape[1] - self._lm.config.frame_tokens)
        return NextTokenExercise(
            tokens_BP=tokens_BP, tokens_in_all=torch.tensor(float(predicted), device=tokens_BP.device)
        )

    @torch.no_grad()
    def heldout_loss(self, batch: Batch) -> Tensor:
        """Nats per token of each window [B], mean over frames 1.., each token given all true ones before it."""
        windows = torch.split(batch.tokens_BTHW.flatten(1), 1)  # the logits of one take 15 MiB
        return torch.cat([self._next_tokens.window_losses(tokens_BP) for tokens_BP in windows])

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        checkpoint.save(self._lm, folder)

    def load(self, folder: Path) -> None:
        """Take the weights that `save` wrote. Raises: CheckpointInvalid, if there are none that fit."""
        try:
            checkpoint.load_weights(self._lm, folder)
        except CheckpointError as error:
            raise CheckpointInvalid(error.message, fix=error.fix) from error


def _shape(config: str) -> CausalConfig:
    """The config of this name, or in this file. Raises: UsageError, if it is neither."""
    if config in _SHAPES:
        return _SHAPES[config]
    path = config_file(config, CONFIGS, of="causal-lm")
    try:
        found = read_config(path)
        check_challenge(found)
    except CheckpointError as error:
        raise UsageError(error.message, fix=error.fix, code="usage.config") from error
    return found
