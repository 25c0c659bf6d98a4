"""`wmc host`: the grader's host for an `evaluate.py` that was started by hand; wmc_guest starts it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from harness.cli.console import Console
from harness.protocol.regimes import Regime


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("host", help="play a clip to an evaluate.py that was run by hand")
    parser.add_argument("data", type=Path, help="a clip")
    parser.add_argument("--gate", type=Path, required=True, help="empty folder in which to listen")
    parser.add_argument(
        "--regime",
        choices=[regime.value for regime in Regime],
        default=Regime.TEMPORALLY_TEACHER_FORCED.value,
        help="(default: temporally_teacher_forced)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Wait for the one guest, examine it, show its scores."""
    from harness.data.windows import Schedule
    from harness.exam import examine, set_exam
    from harness.protocol.conversation import Conversation, Limits
    from harness.protocol.gate import open_gate

    regime, limits = Regime(args.regime), Limits()
    exam = set_exam(args.data, Schedule.DISJOINT, seed=0)
    ready_by = time.monotonic() + limits.start_s
    with (
        open_gate(exam.gate_metadata(regime), args.gate) as gate,
        gate.accept(ready_by=ready_by, how_it_ended=lambda: None) as channel,
    ):
        conversation = Conversation(channel=channel, regime=regime, limits=limits)
        result = examine(conversation, exam, ready_by=ready_by, progress=console)
    scores = result.scores
    low, high = scores.loss_ci
    console.show(
        f"{regime.in_words}: loss {scores.loss:.4f} ({low:.4f} to {high:.4f}) nats per token, "
        f"token accuracy {scores.token_accuracy:.4f}, {result.timing.seconds_per_frame:.4f} s per frame, "
        f"{scores.windows} windows"
    )
