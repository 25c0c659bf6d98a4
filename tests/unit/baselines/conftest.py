"""Entries' predictors loaded from their folders, and synthetic clips to show them."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness.data.clips import write_clip

ROOT = Path(__file__).parents[3]


@pytest.fixture
def entry_module(monkeypatch) -> Iterator[Callable[[Path, str], ModuleType]]:
    """Imports a module of an entry's folder as its evaluate.py would, and forgets the whole folder afterwards."""
    folders: list[Path] = []

    def forget() -> None:
        for folder in folders:
            for source in folder.glob("*.py"):
                sys.modules.pop(source.stem, None)

    def load(folder: Path, name: str) -> ModuleType:
        if folders[-1:] != [folder]:  # another entry may have modules of the same names
            forget()
            folders.append(folder)
            monkeypatch.syspath_prepend(str(folder))
        return importlib.import_module(name)

    yield load
    forget()


@pytest.fixture
def load_predictor(entry_module) -> Callable[[Path], type]:
    """The class `Predictor` of an entry's folder."""
    return lambda folder: entry_module(folder, "predictor").Predictor


@pytest.fixture
def genie(torch, entry_module) -> Callable[[str], ModuleType]:
    """A module of baselines/genie by its name."""
    return lambda name: entry_module(ROOT / "baselines" / "genie", name)


@pytest.fixture
def make_genie(torch, genie) -> Callable[..., Any]:
    """A model with random weights, small enough for a test; words change its config."""

    def make(*, seed: int = 0, **words: Any) -> Any:
        shape = {"num_layers": 2, "num_heads": 2, "d_model": 16, "S": 16, "T": 16} | words
        model = genie("model").Genie(genie("config").GenieConfig(**shape)).eval()
        dice = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.2, generator=dice)
        return model

    return make


@pytest.fixture
def causal_lm(torch, entry_module) -> Callable[[str], ModuleType]:
    """A module of baselines/causal_lm by its name."""
    return lambda name: entry_module(ROOT / "baselines" / "causal_lm", name)


@pytest.fixture
def make_causal_lm(torch, causal_lm) -> Callable[..., Any]:
    """A causal language model with random weights, small enough for a test; words change its config."""

    def make(*, seed: int = 0, **words: Any) -> Any:
        shape = {"num_layers": 2, "num_heads": 2, "d_model": 16, "frames": 4, "side": 4, "factor_vocab": 8}
        shape |= {"neighbours": (1, 4, 16)}
        model = causal_lm("model").CausalLM(causal_lm("config").CausalConfig(**(shape | words))).eval()
        dice = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_(std=0.3, generator=dice)
        return model

    return make


def synthetic_clip(rng: np.random.Generator, *, frames: int, flip: float) -> np.ndarray:
    """Tokens [N,16,16] that move a little: few values, cells resemble their left neighbour, bits flip rarely."""
    values = rng.integers(0, 2**18, 40, dtype=np.uint32)
    frame_HW = np.repeat(values[rng.integers(0, 40, (16, 8))], 2, axis=1)
    found = []
    for _ in range(frames):
        renewed_HW = np.repeat(rng.random((16, 8)) < flip, 2, axis=1)
        fresh_HW = np.repeat(values[rng.integers(0, 40, (16, 8))], 2, axis=1)
        frame_HW = np.where(renewed_HW, fresh_HW, frame_HW)
        found.append(frame_HW)
    return np.stack(found).astype(np.uint32)


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """A training clip of two segments; a cell is new with probability 2% per raw frame."""
    folder = tmp_path_factory.mktemp("clip")
    tokens_NHW = synthetic_clip(np.random.default_rng(1), frames=3000, flip=0.02)
    write_clip(
        folder,
        tokens_NHW=tokens_NHW,
        segment_ids_N=np.repeat(np.arange(2, dtype=np.int32), [1000, 2000]),
        actions={},
        tokenizer_ckpt="none",
    )
    return folder


@pytest.fixture(scope="session")
def windows_BTHW(clip) -> np.ndarray:
    """Eight windows of the same world, 15 raw frames apart."""
    tokens_NHW = np.fromfile(clip / "video.bin", "<u4").reshape(-1, 16, 16)
    return np.stack([tokens_NHW[start : start + 226 : 15] for start in range(0, 240 * 3, 90)])


@pytest.fixture(scope="session")
def counts(clip, tmp_path_factory) -> Callable[[str], Path]:
    """Where `train.py` of a baseline put its counts of the clip; each is run once, as a program."""
    made: dict[str, Path] = {}

    def train(name: str) -> Path:
        if name not in made:
            out = tmp_path_factory.mktemp(name) / "counts.npz"
            program = [sys.executable, str(ROOT / "baselines" / name / "train.py")]
            subprocess.run(
                [*program, "--train", str(clip), "--out", str(out)], check=True, capture_output=True
            )
            made[name] = out
        return made[name]

    return train


@pytest.fixture(scope="session")
def packed(clip, tmp_path_factory) -> Path:
    """A folder with `retrieval.json` as it is and the clip's `shard.npz`, made by pack.py as a program."""
    folder = tmp_path_factory.mktemp("retrieval")
    entry = ROOT / "baselines" / "retrieval"
    shutil.copy(entry / "retrieval.json", folder)
    program = [sys.executable, str(entry / "pack.py"), "--train", str(clip), "--out", str(folder)]
    subprocess.run(program, check=True, capture_output=True)
    return folder


@pytest.fixture(params=["template", "copy_last", "unigram", "ngram", "retrieval"])
def predictor(request, load_predictor, counts, packed) -> object:
    """Each entry's predictor in turn."""
    name = request.param
    if name == "template":
        return load_predictor(ROOT / "submissions_template")()
    make = load_predictor(ROOT / "baselines" / name)
    if name == "retrieval":
        return make(packed)
    return make() if name == "copy_last" else make(counts(name))
