"""Seconds per frame of a Genie: the straightforward evaluator against the cache, same weights and windows, in one run.

Run: python tests/benchmarks/bench_genie.py [--windows 1] [--frames 2] [--repeats 2] [--threads 2]
On a GPU: python tests/benchmarks/bench_genie.py --device cuda --precision bfloat16 --compile --windows 16

Weights and windows are random: neither way looks at them. A straightforward pass costs the same for every frame, so a
few frames, spread over the window, stand for all; the cached ways run whole windows. The ways take turns, so that a
machine that slows down slows all of them, and the least of each way's turns counts. On a CPU the processor's time is
shown beside the clock's: other work on the machine disturbs it less.

The straightforward evaluator is always eager and in float32. In float32 the cached ways must give its tokens and its
logits; in bfloat16 or TF32 its loss.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
from model import Genie, factors
from predictor import compile_blocks
from rollout import Rollout, Sampling, order_noise, teacher_forced

STEPS = 2
TOLERANCE = 1e-4
LOSS_TOLERANCE = 0.002
STD = 0.03  # of the weights: logits of a few units; much more, and every rounding error grows from layer to layer
SHAPES = {
    "35m": GenieConfig(num_layers=32, num_heads=8, d_model=256),
    "138m": GenieConfig(num_layers=32, num_heads=8, d_model=512),
    "tiny": GenieConfig(num_layers=4, num_heads=4, d_model=128),
}
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
BARS = {"cpu": 9, "cuda": 20}

Found = tuple[torch.Tensor, torch.Tensor]


class Seconds(NamedTuple):
    """By the clock, and of the processor; per frame."""

    clock: float = float("inf")
    cpu: float = float("inf")

    def least(self, other: Seconds) -> Seconds:
        return Seconds(min(self.clock, other.clock), min(self.cpu, other.cpu))


def seconds(work: Callable[[], Found], device: torch.device) -> tuple[Seconds, Found]:
    """How long a frame took, and the result."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    frames = result[0][:, :, 0, 0].numel()
    return Seconds((time.perf_counter() - clock) / frames, (time.process_time() - cpu) / frames), result


@contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """Matrix products of this precision."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    is_low = precision == "bfloat16"
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16 if is_low else None, enabled=is_low):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def random_model(config: GenieConfig) -> Genie:
    """A model whose parts all matter: freshly initialised, position and mask embeddings are zero."""
    model = Genie(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=STD)
    return model


def frame_after_frame(
    model: Genie, tokens_BTHW: torch.Tensor, sampling: Sampling, dtype: torch.dtype
) -> Found:
    """What the gate makes an entry do."""
    rollout = Rollout(model, batch=len(tokens_BTHW), sampling=sampling, dtype=dtype)
    found = []
    for t in range(tokens_BTHW.shape[1] - 1):
        rollout.show(tokens_BTHW[:, t])
        found.append(rollout.predict())
    tokens, logits = zip(*found, strict=True)
    return torch.stack(tokens, 1), torch.stack(logits, 1)


def ways_of(
    model: Genie, fast: Genie, tokens_BTHW: torch.Tensor, some: list[int], precision: str
) -> dict[str, Callable[[], Found]]:
    """The straightforward way first; `fast` is the model that the cached ways run."""
    device, dtype = tokens_BTHW.device, DTYPES[precision]
    noise_TKN = order_noise(model.config, STEPS, seed=0).to(device)
    sampling = Sampling(steps=STEPS, noise_TKN=noise_TKN)

    def straightforward() -> Found:
        with products("float32", device):
            return genie_straightforward.teacher_forced(
                model, fill, tokens_BTHW, steps=STEPS, noise_TKN=noise_TKN, frames=some, device=device
            )

    def one_by_one() -> Found:
        with products(precision, device):
            return frame_after_frame(fast, tokens_BTHW, sampling, dtype)

    def side_by_side() -> Found:
        with products(precision, device):
            return teacher_forced(fast, tokens_BTHW, sampling=sampling, dtype=dtype)

    return {"straightforward": straightforward, "frame after frame": one_by_one, "side by side": side_by_side}


def measured(
    ways: dict[str, Callable[[], Found]], repeats: int, device: torch.device
) -> tuple[dict[str, Seconds], dict[str, Found]]:
    """Least seconds per frame of each way, and what it found. One turn of each comes before the clock runs."""
    least = dict.fromkeys(ways, Seconds())
    found: dict[str, Found] = {}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            took, found[name] = seconds(way, device)
            if turn:
                least[name] = least[name].least(took)
    return least, found


def loss_of(logits: torch.Tensor, target_BTHW: torch.Tensor, config: GenieConfig) -> float:
    """Nats per token."""
    at = factors(target_BTHW, config)[..., None]
    return -logits.double().log_softmax(-1).gather(-1, at).sum((-1, -2)).mean().item()


def difference(
    found: Found, expected: Found, target_BTHW: torch.Tensor, config: GenieConfig, exact: bool
) -> str:
    """In words; ends the program if it is too large."""
    off = (found[1] - expected[1]).abs().max().item()
    if exact:
        if off > TOLERANCE or not torch.equal(found[0], expected[0]):
            raise SystemExit(f"not the same numbers, logits differ by up to {off:.1e}")
        return f"same tokens, logits within {off:.1e} (the largest is {expected[1].abs().max():.1f})"
    loss = loss_of(expected[1], target_BTHW, config)
    moved = loss_of(found[1], target_BTHW, config) - loss
    if abs(moved) > LOSS_TOLERANCE:
        raise SystemExit(f"not the same loss: {loss:.4f} became {loss + moved:.4f}")
    return f"loss {loss:.4f} moved by {moved:+.5f}, logits by up to {off:.1e}"


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
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=DTYPES, default="float32", help="of the cached ways")
    parser.add_argument("--compile", action="store_true", help="the cached ways' blocks")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = random_model(SHAPES[args.shape]).to(device)
    fast = Genie(model.config).to(device).eval()
    fast.load_state_dict(model.state_dict())
    if args.compile:
        compile_blocks(fast)
    tokens_BTHW = torch.randint(2**18, (args.windows, 16, 16, 16), device=device)
    some = np.linspace(1, 15, args.frames).round().astype(int).tolist()
    size = sum(parameter.numel() for parameter in model.parameters())
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{args.threads} CPU thread(s)"
    print(
        f"{args.shape}: {size / 1e6:.1f} M parameters, {args.windows} window(s), {STEPS} steps, {args.precision}, "
        f"{'compiled' if args.compile else 'eager'}, {where}, least of {args.repeats}"
    )
    with torch.inference_mode():
        ways = ways_of(model, fast, tokens_BTHW, some, args.precision)
        least, found = measured(ways, args.repeats, device)
    slow_time, slow = least.pop("straightforward"), found.pop("straightforward")
    at = [t - 1 for t in some]
    bar = BARS[device.type]
    print(f"straightforward: {slow_time.clock:.4f} s per frame, {len(some)} of 15 frames run, float32")
    for name, (tokens, logits) in found.items():
        words = difference(
            (tokens[:, at], logits[:, at]),
            slow,
            tokens_BTHW[:, some],
            model.config,
            args.precision == "float32",
        )
        ratio, cpu = slow_time.clock / least[name].clock, slow_time.cpu / least[name].cpu
        by_cpu = f", {cpu:.2f} in processor time" if device.type == "cpu" else ""
        print(f"{name}: {least[name].clock:.4f} s per frame, ratio {ratio:.2f}{by_cpu} (bar {bar}); {words}")


if __name__ == "__main__":
    main()
