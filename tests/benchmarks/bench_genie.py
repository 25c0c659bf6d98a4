"""Seconds per frame of a Genie: the straightforward evaluator against the cache, same weights and windows, in one run.

Run: python tests/benchmarks/bench_genie.py [--windows 1] [--frames 2] [--repeats 2] [--threads 2]

Weights and windows are random: neither way looks at them. A straightforward pass costs the same for every frame, so a
few frames, spread over the window, stand for all; the cached ways run whole windows. The ways take turns, so that a
machine that slows down slows all of them, and the least of each way's turns counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

try:
    import torch
except ImportError:
    print("skipped: there is no torch in this Python; pip install -c constraints.txt -e '.[genie]'")
    sys.exit()

import genie_straightforward

sys.path.insert(0, str(Path(__file__).parents[2] / "baselines" / "genie"))

from config import GenieConfig
from maskgit import fill
from model import Genie
from rollout import Rollout, Sampling, order_noise, teacher_forced

STEPS = 2
TOLERANCE = 1e-4
STD = 0.03  # of the weights: logits of a few units; much more, and every rounding error grows from layer to layer
SHAPES = {
    "35m": GenieConfig(num_layers=32, num_heads=8, d_model=256),
    "138m": GenieConfig(num_layers=32, num_heads=8, d_model=512),
    "tiny": GenieConfig(num_layers=4, num_heads=4, d_model=128),
}

T = TypeVar("T")


def seconds(work: Callable[[], T]) -> tuple[float, T]:
    """How long it took, and the result."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def random_model(config: GenieConfig) -> Genie:
    """A model whose parts all matter: freshly initialised, position and mask embeddings are zero."""
    model = Genie(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=STD)
    return model


def frame_after_frame(
    model: Genie, tokens_BTHW: torch.Tensor, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the gate makes an entry do."""
    rollout = Rollout(model, batch=len(tokens_BTHW), sampling=sampling)
    found = []
    for t in range(tokens_BTHW.shape[1] - 1):
        rollout.show(tokens_BTHW[:, t])
        found.append(rollout.predict())
    tokens, logits = zip(*found, strict=True)
    return torch.stack(tokens, 1), torch.stack(logits, 1)


def main() -> None:
    """Print seconds per frame of each way, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="35m")
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument(
        "--frames", type=int, default=2, help="how many of the 15 the straightforward way does"
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = random_model(SHAPES[args.shape])
    tokens_BTHW = torch.randint(2**18, (args.windows, 16, 16, 16))
    sampling = Sampling(steps=STEPS, noise_TKN=order_noise(model.config, STEPS, seed=0))
    some = np.linspace(1, 15, args.frames).round().astype(int).tolist()
    size = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{args.shape}: {size / 1e6:.1f} M parameters, {args.windows} window(s), {STEPS} steps, float32, "
        f"{args.threads} CPU thread(s), least of {args.repeats}"
    )
    ways = {
        "straightforward": lambda: genie_straightforward.teacher_forced(
            model, fill, tokens_BTHW, steps=STEPS, noise_TKN=sampling.noise_TKN, frames=some
        ),
        "frame after frame": lambda: frame_after_frame(model, tokens_BTHW, sampling),
        "side by side": lambda: teacher_forced(model, tokens_BTHW, sampling=sampling),
    }
    least = dict.fromkeys(ways, float("inf"))
    found = {}
    with torch.inference_mode():
        model(tokens_BTHW[:1])  # warm up
        for _ in range(args.repeats):
            for name, way in ways.items():
                took_s, found[name] = seconds(way)
                least[name] = min(least[name], took_s / found[name][0][:, :, 0, 0].numel())
    slow_s = least.pop("straightforward")
    slow_tokens, slow_logits = found.pop("straightforward")
    print(f"straightforward: {slow_s:.3f} s per frame, {len(some)} of 15 frames run")
    for name, (tokens, logits) in found.items():
        at = [t - 1 for t in some]
        difference = (logits[:, at] - slow_logits).abs().max().item()
        if difference > TOLERANCE or not torch.equal(tokens[:, at], slow_tokens):
            raise SystemExit(f"{name}: not the same numbers, logits differ by up to {difference:.1e}")
        print(
            f"{name}: {least[name]:.3f} s per frame, ratio {slow_s / least[name]:.2f}; same tokens, logits within "
            f"{difference:.1e} (the largest is {slow_logits.abs().max():.1f})"
        )


if __name__ == "__main__":
    main()
