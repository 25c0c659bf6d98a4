"""Windows per second of a training step: the trainer's own against a straightforward compiled loop, in one run.

Run: python tests/benchmarks/bench_training.py [--size tiny] [--batch 4] [--repeats 3] [--threads 1] [--device cuda]

Both start from the same weights and take the same steps on the same masked windows, in bfloat16 and compiled; on a CPU
the straightforward loop also runs in float32, which may be the faster one there. They take turns, and the least of each
way's turns counts: of the processor's time on a CPU, which other work on the machine disturbs less, of the clock's on a
GPU. Losses must agree at every step. Peak memory is what a step takes beyond what was there before it.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

try:
    import torch
except ImportError:
    print("skipped: there is no torch in this Python; pip install -c constraints.txt -e '.[genie]'")
    sys.exit()

import training_straightforward

sys.path.insert(0, str(Path(__file__).parents[2] / "baselines" / "genie"))

import exercise
from learner import GenieLearner
from masking import Puzzle, puzzle
from model import Genie
from sizes import SIZES

from baselines.training.distributed import Team
from baselines.training.flops import flops_per_window
from baselines.training.learner import Batch
from baselines.training.order import step_seed
from baselines.training.peaks import Peak, peak_flops
from baselines.training.recipe import Precision, Recipe
from baselines.training.stepping import Stepper

BAR = 1.3
TOLERANCE = 0.02
"""Nats; the straightforward loop rounds logits to bfloat16, ours do not."""
DEFAULT_BATCHES = {"cpu": 4, "cuda": 32}
MIB = 2**20


@dataclass
class Way:
    """One way to take a step, and what its turns came to."""

    name: str
    step: Callable[[int], torch.Tensor]
    seconds: list[float] = field(default_factory=list)
    clock_seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class Memory:
    """Peak memory since `begin`, beyond what was there then: the GPU's allocator, or this process's on Linux."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0

    def begin(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
            return
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is there
        self._before = _status("VmRSS")

    def taken(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        return _status("VmHWM") - self._before


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def turn(way: Way, number: int, device: torch.device) -> None:
    """Take a step and note what it took."""
    memory = Memory(device)
    memory.begin()
    began, began_clock = time.process_time(), time.perf_counter()
    loss = way.step(number)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    took, took_clock = time.process_time() - began, time.perf_counter() - began_clock
    way.seconds.append(took_clock if device.type == "cuda" else took)
    way.clock_seconds.append(took_clock)
    way.peak_bytes.append(memory.taken())
    way.losses.append(float(loss))


def drawn(genie: Genie, tokens_BTHW: torch.Tensor, recipe: Recipe, number: int) -> Puzzle:
    """The same puzzle that the trainer draws at this step."""
    generator = torch.Generator(tokens_BTHW.device).manual_seed(step_seed(recipe.seed, number))
    return puzzle(tokens_BTHW, genie.config, generator)


def ways(genie: Genie, tokens_BTHW: torch.Tensor, recipe: Recipe, *, compiled: bool) -> list[Way]:
    """The trainer's way first."""
    device = tokens_BTHW.device
    state = {name: tensor.clone() for name, tensor in genie.state_dict().items()}
    size = dataclasses.replace(SIZES["tiny"], ask=exercise.masked, recipe=recipe)
    batch = Batch(
        tokens_BTHW=tokens_BTHW, actions_BTSA=torch.zeros(len(tokens_BTHW), 16, 15, 0, device=device)
    )
    team = Team(rank=0, size=1, device=device)
    stepper = Stepper(GenieLearner(genie, size), recipe, team, windows_per_pass=None, compiled=compiled)
    found = [Way("ours, bfloat16", lambda number: stepper.take(number, batch)[0])]
    precisions = {"bfloat16": torch.bfloat16}
    if device.type == "cpu":
        precisions["float32"] = torch.float32
    for name, precision in precisions.items():
        model = training_straightforward.Straightforward(genie.config).to(device)
        model.load_state_dict(state)
        step = training_straightforward.stepper(
            model, learning_rate=recipe.learning_rate, precision=precision, compiled=compiled
        )
        found.append(
            Way(
                f"straightforward, {name}",
                lambda number, step=step: step(drawn(genie, tokens_BTHW, recipe, number)),
            )
        )
    return found


def show(found: list[Way], batch: int, flops: float, peak: Peak | None) -> None:
    """Print each way's figures, and the ratios. MFU is of our step's operations, for all ways."""
    ours, *others = found
    for way in found:
        least = min(way.seconds)
        mfu = f", MFU {flops * batch / least / peak.flops_per_s:.0%}" if peak else ""
        print(
            f"{way.name}: {batch / least:.2f} windows/s ({least:.2f} s a step, {min(way.clock_seconds):.2f} by the "
            f"clock){mfu}, {max(way.peak_bytes) / MIB:.0f} MiB a step"
        )
    for way in others:
        difference = max(abs(a - b) for a, b in zip(ours.losses, way.losses, strict=True))
        if difference > TOLERANCE:
            raise SystemExit(f"{way.name}: not the same losses, they differ by up to {difference:.3f}")
        ratio = min(way.seconds) / min(ours.seconds)
        memory = max(ours.peak_bytes) / max(way.peak_bytes)
        print(
            f"ours against {way.name}: {ratio:.2f} times as fast (bar {BAR}), {memory:.2f} of the memory; "
            f"losses within {difference:.4f}"
        )


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=list(SIZES), default="tiny")
    parser.add_argument("--batch", type=int, help="windows a step (default: 4 on a CPU, 32 on a GPU)")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--eager", action="store_true", help="compile neither")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # as the trainer does
    batch = args.batch or DEFAULT_BATCHES[device.type]
    recipe = Recipe(
        steps=1000,
        batch=batch,
        learning_rate=1e-3,
        warmup_steps=0,
        final_rate=1.0,
        precision=Precision.BFLOAT16,
    )
    torch.manual_seed(0)
    genie = Genie(dataclasses.replace(SIZES[args.size].shape, use_mup=False)).to(device)
    tokens_BTHW = torch.randint(2**18, (batch, 16, 16, 16), device=device)
    parameters = sum(parameter.numel() for parameter in genie.parameters())
    found = ways(genie, tokens_BTHW, recipe, compiled=not args.eager)
    size = dataclasses.replace(SIZES["tiny"], ask=exercise.masked)
    few = Batch(tokens_BTHW=tokens_BTHW[:2], actions_BTSA=torch.zeros(2, 16, 15, 0, device=device))
    flops = flops_per_window(GenieLearner(genie, size), few)
    # A CPU's peak would be measured by the clock, which other work on the machine disturbs.
    peak = peak_flops(device, Precision.BFLOAT16) if device.type == "cuda" else None
    where = torch.cuda.get_device_name(device) if peak else f"{args.threads} CPU thread(s)"
    print(
        f"{args.size}: {parameters / 1e6:.1f} M parameters, {batch} windows a step, "
        f"{'eager' if args.eager else 'compiled'}, {where}"
    )
    for number in range(args.repeats + 2):
        for way in found:
            turn(way, number, device)
    for way in found:  # the first two compile
        del way.seconds[:2], way.clock_seconds[:2], way.peak_bytes[:2]
    show(found, batch, flops, peak)


if __name__ == "__main__":
    main()
