"""Images per second of MAGVIT2's decoder: a plain loop over modules against the codec, same weights, in one run.

Run: python tests/benchmarks/bench_magvit2.py [--shape full] [--frames 2] [--repeats 3] [--threads 2]

Weights are random. The ways take turns, so that a machine that slows down slows all of them, and the least of each
way's turns counts. What every way decodes is compared with the plain loop's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

try:
    import torch
except ImportError:
    print("skipped: there is no torch in this Python; pip install -c constraints.txt -e '.[codec]'")
    sys.exit()

import magvit2_straightforward as plain

from harness.codec.magvit2 import Magvit2Codec, Precision
from harness.codec.magvit2_layout import Layout, expected_shapes

MULTIPLIERS = (1, 1, 2, 2, 4)
BASES = {"tiny": 32, "middle": 64, "full": 128}
BLOCKS = 2
LARGEST = {Precision.FLOAT32: 1, Precision.BFLOAT16: 40}
"""By how many of 255 a value may differ from the plain loop's: it is truncated, and bfloat16 has eight bits."""


def random_checkpoint(path: Path, base: int) -> None:
    """A checkpoint of 1X's layout whose images have contrast."""
    layout = Layout(widths=tuple(base * by for by in MULTIPLIERS), blocks=BLOCKS, mid_blocks=BLOCKS)
    state = {}
    for key, shape in expected_shapes(layout):
        fan_in = int(np.prod(shape[1:])) or 1
        state[key] = (
            torch.randn(shape) * fan_in**-0.5 if len(shape) > 1 else torch.full(shape, float("norm" in key))
        )
        if key.endswith("bias"):
            state[key] = torch.randn(shape) * 0.1
    torch.save({"state_dict": state}, path)


def straightforward(path: Path, base: int) -> Callable[[np.ndarray], np.ndarray]:
    """Decodes [B,16,16] with modules, frame after frame."""
    decoder = plain.Decoder(base=base, multipliers=MULTIPLIERS, blocks=BLOCKS).eval()
    decoder.load_state_dict(plain.decoder_state(torch.load(path, weights_only=True)["state_dict"]))

    def decode(tokens_BHW: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            images_BCYX = plain.decode(decoder, torch.from_numpy(tokens_BHW.astype(np.int32)))
        return images_BCYX.permute(0, 2, 3, 1).numpy()

    return decode


def main() -> None:
    """Print images per second of each way, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", choices=BASES, nargs="+", default=["tiny", "middle", "full"])
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for shape in args.shape:
        measure(shape, args)


def measure(shape: str, args: argparse.Namespace) -> None:
    """One shape, all ways."""
    tokens_BHW = np.random.default_rng(0).integers(2**18, size=(args.frames, 16, 16), dtype=np.uint32)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "magvit2.ckpt"
        random_checkpoint(path, BASES[shape])
        ways = {"straightforward": straightforward(path, BASES[shape])}
        for precision in Precision:
            ways[precision.value] = Magvit2Codec.load(path, device="cpu", precision=precision).decode
        several = Magvit2Codec.load(
            path, device="cpu", precision=Precision.BFLOAT16, frames_per_pass=args.frames
        )
        ways[f"bfloat16, {args.frames} frames at once"] = several.decode
    least, found = dict.fromkeys(ways, float("inf")), {}
    for name, decode in ways.items():
        found[name] = decode(tokens_BHW[:1])  # warm up
    for _ in range(args.repeats):
        for name, decode in ways.items():
            begin = time.perf_counter()
            found[name] = decode(tokens_BHW)
            least[name] = min(least[name], (time.perf_counter() - begin) / args.frames)
    slow_s, right = least.pop("straightforward"), found.pop("straightforward").astype(int)
    print(
        f"{shape}: {BASES[shape]} channels times {MULTIPLIERS}, {args.frames} frames, {args.threads} CPU thread(s), "
        f"least of {args.repeats}; straightforward: {1 / slow_s:.2f} images/s"
    )
    for name, fast_s in least.items():
        difference = np.abs(found[name] - right)
        if difference.max() > LARGEST[Precision(name.partition(",")[0])]:
            raise SystemExit(f"{name}: not the same images, values differ by up to {difference.max()}")
        print(
            f"{name}: {1 / fast_s:.2f} images/s, ratio {slow_s / fast_s:.2f}; values differ by up to "
            f"{difference.max()}, {difference.mean():.3f} on average"
        )


if __name__ == "__main__":
    main()
