"""What `wmc data demo` says about the data it made."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import data_demo
from harness.data.demo import SplitSummary
from harness.errors import UsageError
from harness.retrieval.rule_five import CopyLosses

GOOD = CopyLosses(unigram=9.0, copy_last=8.9, retrieved=8.5)
AWAY = CopyLosses(unigram=12.0, copy_last=11.0, retrieved=12.0)
SHARP = {"val": SplitSummary(frames=226, segments=1, psnr_db=25.0)}


def test_data_that_behaves_is_shown_without_a_warning() -> None:
    assert data_demo.shortcomings(SHARP, {"val": GOOD, "heldout": AWAY}) == []


@pytest.mark.parametrize(
    ("val", "heldout", "psnr_db", "words"),
    [
        (CopyLosses(unigram=9.0, copy_last=8.6, retrieved=8.5), AWAY, 25.0, "on val, retrieval"),
        (GOOD, GOOD, 25.0, "on heldout, retrieval"),
        (GOOD, AWAY, 23.9, "the codec keeps 23.9 dB"),
    ],
)
def test_each_shortcoming_is_named(val: CopyLosses, heldout: CopyLosses, psnr_db: float, words: str) -> None:
    summary = {"val": SplitSummary(frames=226, segments=1, psnr_db=psnr_db)}
    (text,) = data_demo.shortcomings(summary, {"val": val, "heldout": heldout})
    assert words in text


def test_the_verdict_says_where_retrieval_pays() -> None:
    assert data_demo.verdict({"val": GOOD, "heldout": AWAY}) == (
        "Rule 5: retrieving from train is on val 0.40 nats per token better, "
        "on heldout 1.00 nats per token worse than copying the last frame."
    )


def test_too_few_frames_are_refused_before_anything_is_made(
    run_command: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        run_command(data_demo, "demo", str(tmp_path / "demo"), "--train-frames", "100")
    assert not (tmp_path / "demo").exists()


def test_the_command_s_defaults_are_the_whole_demo() -> None:
    parser = argparse.ArgumentParser()
    data_demo.register(parser.add_subparsers())
    args = parser.parse_args(["demo", "somewhere"])
    assert (args.seed, args.train_frames, args.workers, args.force) == (0, 30_000, None, False)
    assert args.folder == Path("somewhere")
