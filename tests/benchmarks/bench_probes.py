"""What recording the probes of the retrieval check adds to a grade of copy_last: scoring alone, and the whole gate.

Run: python tests/benchmarks/bench_probes.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_gate import BATCH, BATCHES, REGIME, TARGETS, guest_process

from harness.data.truth import RandomTruth
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.host import Prediction, Sink, play
from harness.retrieval.probes import Probes, ProbeSheet
from harness.scoring.sheet import ScoreSheet

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "baselines" / "copy_last"))
from predictor import Predictor as CopyLast  # noqa: E402 - an entry's folder is its import path

CODES = 512 * 512  # cells of a frame times values of a factor
ROUNDS = 7


class Entry(CopyLast):
    """copy_last with the benchmark's batch size."""

    max_batch = BATCH


def random_probes(per_prediction: int) -> Probes:
    rng = np.random.default_rng(0)
    predictions = BATCH * BATCHES * len(TARGETS)
    codes_R = np.concatenate(
        [np.sort(rng.choice(CODES, per_prediction, replace=False)) for _ in range(predictions)]
    )
    return Probes(
        begins_G=np.arange(predictions + 1) * per_prediction,
        cells_R=(codes_R // 512).astype(np.uint16),
        values_R=(codes_R % 512).astype(np.uint16),
    )


def sink(probes: Probes | None) -> Sink:
    scores = ScoreSheet(num_windows=BATCH * BATCHES, targets=TARGETS)
    if probes is None:
        return scores.record
    sheet = ProbeSheet(probes=probes)

    def record(prediction: Prediction) -> None:
        scores.record(prediction)
        sheet.record(prediction)

    return record


def scoring(probes: Probes | None) -> float:
    """Seconds of processor time for one frame of every window."""
    truth = RandomTruth(num_actions=0, rng=np.random.default_rng(0))
    entry, record = Entry(), sink(probes)
    entry.reset(BATCH)
    total = 0.0
    for number in range(BATCHES):
        windows_B = np.arange(BATCH) + BATCH * number
        entry.observe(truth.tokens_at(windows_B, 0), np.zeros((BATCH, 15, 0), np.float32))
        logits, tokens = entry.predict()
        prediction = Prediction(
            windows_B=windows_B,
            t=1,
            target_BHW=truth.tokens_at(windows_B, 1),
            logits_BHWFV=logits,
            tokens_BHW=tokens,
        )
        begin = time.thread_time()
        record(prediction)
        total += time.thread_time() - begin
    return total


def through_the_gate(probes: Probes | None) -> float:
    """Seconds for every frame of every window, warm-up left out."""
    truth = RandomTruth(num_actions=0, rng=np.random.default_rng(0))
    batches = [np.arange(BATCH) + BATCH * number for number in range(BATCHES)]
    with guest_process(Entry) as channel:
        talk = Conversation(channel=channel, regime=REGIME, limits=Limits())
        talk.greet({}, ready_by=time.monotonic() + 60)
        play(talk, truth, batches[:1], lambda _prediction: None)
        seconds = play(talk, truth, batches, sink(probes)).total_s
        talk.say_goodbye()
    return seconds


def compare(title: str, measure: Callable[[Probes | None], float], probes: Probes) -> None:
    """Best of several rounds of each, in turns, so that other work on the machine meets both."""
    without, with_probes = np.min([(measure(None), measure(probes)) for _ in range(ROUNDS)], axis=0)
    print(
        f"{title}, {np.diff(probes.begins_G[:2])[0]:,} probes a prediction: {without:.4f} s without, "
        f"{with_probes:.4f} s with them; with/without = {with_probes / without:.3f}"
    )


def main() -> None:
    for per_prediction in (5_500, 17_000):
        probes = random_probes(per_prediction)
        compare("scoring alone, processor time", scoring, probes)
        compare("a regime through the gate", through_the_gate, probes)


if __name__ == "__main__":
    main()
