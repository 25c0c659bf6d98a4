"""`wmc train-baseline NAME`: train one of the neural baselines, resume its training, export it as a submission."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from baselines.training.recipe import Precision, Running, Starts
from harness.cli.console import Console
from harness.errors import DependencyMissing
from harness.extras import install

if TYPE_CHECKING:
    from baselines.training.result import Result
    from baselines.training.run import Request

_Kind = TypeVar("_Kind", bound=Enum)
_DIGITS = 19
"""Of 2**63; Python itself refuses to read thousands."""
_THREADS_PER_CORE = 8
_FOLDERS = {"genie": "genie", "causal-lm": "causal_lm"}
_RECIPE = ("steps", "batch", "learning_rate", "warmup_steps", "weight_decay", "starts", "precision", "seed")
"""Options that change the recipe, by the names of its fields."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "train-baseline",
        help="train a neural baseline",
        description="Train a neural baseline. The same command goes on with a run that was stopped, wherever it was "
        "killed. Several GPUs: torchrun --nproc-per-node N -m harness train-baseline ... Needs wmc[genie].",
    )
    parser.add_argument("baseline", choices=list(_FOLDERS))
    parser.add_argument("--train", type=Path, required=True, metavar="DIR", help="the clip to learn from")
    parser.add_argument("--val", type=Path, required=True, metavar="DIR", help="the clip to hold out")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the run's folder: recipe.json, metrics.jsonl, checkpoints/, best/, result.json",
    )
    parser.add_argument(
        "--config", metavar="NAME|FILE", help="a named size or a config.json (default: the smallest)"
    )
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help="write the best checkpoint there as a submission"
    )
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    _add_recipe_options(parser)
    _add_running_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, and show what became of it."""
    try:
        from baselines.training import run as training
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "safetensors"}:
            raise
        raise DependencyMissing(
            f"{error.name} is missing, and training is done with it", fix=install("genie")
        ) from error
    result = training.train_baseline(_request(args), console)
    if result is None:
        return  # the first process speaks for all
    if args.json:
        places = {"out": args.out, "best": args.out / "best", "export": args.export}
        console.json({**asdict(result), **{name: path and str(path) for name, path in places.items()}})
    else:
        console.show(_shown(result, args))


def _request(args: argparse.Namespace) -> Request:
    from baselines.training.run import Request

    return Request(
        baseline=_FOLDERS[args.baseline],
        config=args.config,
        train=args.train,
        val=args.val,
        changes={name: value for name in _RECIPE if (value := getattr(args, name)) is not None},
        running=Running(
            out=args.out,
            device=args.device,
            windows_per_pass=args.windows_per_pass,
            compile=args.compile,
            log_every=args.log_every,
            eval_every=args.eval_every,
            save_every=args.save_every,
            eval_windows=args.eval_windows,
            keep=args.keep,
        ),
        threads=args.threads,
        export=args.export,
    )


def _shown(result: Result, args: argparse.Namespace) -> str:
    from rich.markup import escape

    text = (
        f"[bold]{result.heldout_loss:.4f}[/bold] nats per token on {escape(args.val.name)}, "
        f"{result.heldout_regime}, {result.heldout_windows:,} window{'s' * (result.heldout_windows > 1)}\n"
        f"best    step {result.best_step:,} of {result.steps:,}, {result.training_flops:.3g} FLOP of training\n"
        f"in      {escape(str(args.out / 'best'))}"
    )
    if args.export:
        text += f"\nentry   {escape(str(args.export))}"
    return text


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    recipe = parser.add_argument_group("recipe", "what decides the numbers (default: the config's own)")
    recipe.add_argument("--steps", type=_positive, metavar="N", help="optimizer steps")
    recipe.add_argument(
        "--batch", type=_positive, metavar="N", help="windows per step, of all processes together"
    )
    recipe.add_argument("--learning-rate", type=_above_zero, metavar="X", help="at its peak")
    recipe.add_argument(
        "--warmup-steps",
        type=_whole,
        metavar="N",
        help="until the peak (default: the config's own, at most a tenth of the steps)",
    )
    recipe.add_argument("--weight-decay", type=_not_negative, metavar="X", help="of AdamW")
    recipe.add_argument(
        "--starts",
        type=_one_of(Starts),
        metavar="all|upstream",
        help="learn from every window, or from 1X's own list",
    )
    recipe.add_argument(
        "--precision",
        type=_one_of(Precision),
        metavar="float32|bfloat16",
        help="of matrix products",
    )
    recipe.add_argument("--seed", type=_seed, metavar="N", help="of the weights and all that is drawn")


def _add_running_options(parser: argparse.ArgumentParser) -> None:
    usual = Running(out=Path())
    running = parser.add_argument_group("running", "how it is done; may change when a run is resumed")
    running.add_argument("--device", metavar="D", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    running.add_argument("--threads", type=_threads, metavar="N", help="of the CPU (default: torch decides)")
    running.add_argument("--compile", action="store_true", help="with torch.compile")
    running.add_argument(
        "--windows-per-pass",
        type=_positive,
        metavar="N",
        help="at once in memory; a step takes as many passes as it needs (default: all)",
    )
    for name, default, help_text in (
        ("--log-every", usual.log_every, "steps per line of metrics"),
        ("--eval-every", usual.eval_every, "steps per held-out evaluation"),
        ("--save-every", usual.save_every, "steps per checkpoint"),
        ("--keep", usual.keep, "of the last checkpoints, the best beside them"),
    ):
        running.add_argument(
            name, type=_positive, default=default, metavar="N", help=f"{help_text} (default: {default})"
        )
    running.add_argument(
        "--eval-windows",
        type=_count_or_all,
        default=usual.eval_windows,
        metavar="N|all",
        help=f"held-out windows, spread over the clip (default: {usual.eval_windows}); the result is over all",
    )


def _whole(text: str) -> int:
    return _whole_number(text, least=0)


def _positive(text: str) -> int:
    return _whole_number(text, least=1)


def _count_or_all(text: str) -> int | None:
    return None if text == "all" else _positive(text)


def _seed(text: str) -> int:
    return _whole_number(text, least=0, most=2**63 - 1)


def _threads(text: str) -> int:
    return _whole_number(text, least=1, most=_THREADS_PER_CORE * (os.cpu_count() or 1))


def _whole_number(text: str, *, least: int, most: int = 2**31 - 1) -> int:
    is_whole = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not (is_whole and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
    return int(text)


def _one_of(kind: type[_Kind]) -> Callable[[str], _Kind]:
    def parse(text: str) -> _Kind:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not one of {', '.join(choice.value for choice in kind)}"
            ) from error

    return parse


def _above_zero(text: str) -> float:
    number = _not_negative(text)
    if number == 0:
        raise argparse.ArgumentTypeError("it must be above 0")
    return number


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number
