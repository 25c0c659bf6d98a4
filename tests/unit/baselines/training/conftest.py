"""A learner whose optimum is known, and jobs for it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from baselines.training.recipe import Recipe, Running, Starts
from harness.data.clips import Clip, open_clip, write_clip
from harness.progress import Silent

RIGHT = (0.5, -1.0, 2.0)
"""What a linear learner should find."""
LOST = (1.0, 1.0, 1.0)
"""Where it begins."""
_OFTEN = {"log_every": 1, "eval_every": 4, "save_every": 3, "eval_windows": 2}


@pytest.fixture
def training(torch) -> Callable[[str], Any]:
    """A module of baselines.training by its name."""
    return lambda name: importlib.import_module(f"baselines.training.{name}")


@pytest.fixture
def make_learner(torch) -> Callable[..., Any]:
    """A linear model of three numbers of a window; its loss is the squared error, each window with a drawn weight.

    `before_part` is called at every forward pass with the number of passes made before.
    """
    from safetensors.torch import load_file, save_file

    right = torch.tensor(RIGHT)

    def features(tokens_BTHW: Any) -> Any:
        return tokens_BTHW[:, 1, 0, :3] / 2**18 - 0.5

    class Linear(torch.nn.Module):
        def __init__(self, before_part: Callable[[int], None]) -> None:
            super().__init__()
            self.weights = torch.nn.Parameter(torch.tensor(LOST))
            self.before_part = before_part
            self.passes = 0

        def forward(self, features_BX: Any, share_B: Any) -> tuple[Any, Any]:
            self.before_part(self.passes)
            self.passes += 1
            error_B = (features_BX @ (self.weights - right)) ** 2
            return (error_B * share_B).sum(), ((error_B < 1e-3) * share_B).sum().detach()

    class Learner:
        reads_actions = False
        heldout_regime = "temporally teacher-forced"

        def __init__(self, before_part: Callable[[int], None]) -> None:
            self.model = Linear(before_part)

        def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
            values = {"lr": learning_rate, "weight_decay": weight_decay}
            return [{"params": list(self.model.parameters()), **values}]

        def exercise(self, batch: Any, generator: Any) -> Any:
            features_BX = features(batch.tokens_BTHW)
            drawn_B = torch.rand(len(features_BX), generator=generator)
            share_B = drawn_B / drawn_B.sum()
            return SimpleNamespace(part=lambda begin, end: (features_BX[begin:end], share_B[begin:end]))

        def heldout_loss(self, batch: Any) -> Any:
            return (features(batch.tokens_BTHW) @ (self.model.weights - right)) ** 2

        def save(self, folder: Path) -> None:
            save_file({"weights": self.model.weights.detach()}, folder / "model.safetensors")

        def load(self, folder: Path) -> None:
            self.model.load_state_dict(load_file(folder / "model.safetensors"))

    def make(before_part: Callable[[int], None] = lambda passes: None) -> Any:
        return Learner(before_part)

    return make


@pytest.fixture
def moving_clip(make_clip) -> Clip:
    """A clip of one long segment: 175 windows begin in it."""
    return open_clip(make_clip((400,), hold=7))


@pytest.fixture
def make_job(training, make_learner, moving_clip, tmp_path, torch, monkeypatch) -> Callable[..., Any]:
    """A job for a linear learner in `tmp_path`/run; words change its recipe or how it is run."""
    windows_of = training("batches").Windows
    peak = training("peaks").Peak(flops_per_s=1e12, source="a guess")
    # Measuring takes time.
    monkeypatch.setattr(training("loop"), "peak_flops", lambda device, precision: peak)

    def make(learner: Any = None, **words: Any) -> Any:
        recipe = {"steps": 12, "batch": 4, "learning_rate": 0.05, "warmup_steps": 2}
        running = {"out": tmp_path / "run", "log_every": 2, "eval_every": 4, "save_every": 3}
        for name, value in words.items():
            (recipe if name in Recipe.__dataclass_fields__ else running)[name] = value
        torch.manual_seed(0)
        return training("loop").Job(
            learner=learner or make_learner(),
            recipe=Recipe(**recipe),
            running=Running(**running),
            team=training("distributed").Team(rank=0, size=1, device=torch.device("cpu")),
            train=windows_of(clip=moving_clip, starts_W=np.arange(0, 120, 3), with_actions=False),
            heldout=windows_of(clip=moving_clip, starts_W=np.arange(150, 174), with_actions=False),
            progress=Silent(),
            flops_per_window=1.0,
        )

    return make


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """Two small clips and the config of a very small Genie."""
    folder = tmp_path_factory.mktemp("training")
    rng = np.random.default_rng(0)
    for name, segments in (("train", (300,)), ("val", (226, 226, 226))):
        frames = sum(segments)
        scenes_NHW = rng.integers(1 << 18, size=(frames // 40 + 1, 16, 16), dtype=np.uint32)
        write_clip(
            folder / name,
            tokens_NHW=np.repeat(scenes_NHW, 40, axis=0)[:frames],
            segment_ids_N=np.repeat(np.arange(len(segments)), segments).astype(np.int32),
            actions={},
            tokenizer_ckpt="none",
        )
    shape = {"num_layers": 1, "num_heads": 1, "d_model": 8}
    (folder / "config.json").write_text(json.dumps(shape))
    return folder


@pytest.fixture
def request_of(training, workplace):
    """What the command would ask for; words change the recipe."""

    def make(out: Path, export: Path | None = None, running=(), config=None, train="train", **changes):
        return training("run").Request(
            baseline="genie",
            config=str(config or workplace / "config.json"),
            train=workplace / train,
            val=workplace / "val",
            changes={"steps": 10, "batch": 4, "starts": Starts.ALL, "learning_rate": 0.01} | changes,
            running=Running(**({"out": out, "device": "cpu"} | _OFTEN | dict(running))),
            export=export,
        )

    return make


@pytest.fixture
def train(training):
    """Trains in this process, on one thread."""
    return lambda request: training("run").train_baseline(request, Silent())
