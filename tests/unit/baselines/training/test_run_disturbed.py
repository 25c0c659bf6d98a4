"""Killed, and shared by two processes, a run gives the numbers of an undisturbed one: a real Genie, as a program."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[4]
STEPS = 10
CLOCK = {"windows_per_s", "tokens_per_s", "mfu"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Where the run that nothing disturbed is, once a test has made it."""
    return tmp_path_factory.mktemp("undisturbed") / "run"


def program(workplace: Path, out: Path, *, start=("-m", "harness"), words=()) -> subprocess.Popen:
    """The command as a process of its own, on one thread."""
    given = {"train": workplace / "train", "val": workplace / "val", "out": out, "starts": "all"}
    given |= {"config": workplace / "config.json", "steps": STEPS, "batch": 4, "learning-rate": 0.01}
    given |= {"threads": 1, "device": "cpu"} | {
        "log-every": 1,
        "eval-every": 4,
        "save-every": 3,
        "eval-windows": 2,
    }
    options = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, *start, "train-baseline", "genie", *options, *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def metrics(out: Path) -> list[dict[str, float]]:
    """The lines, but for what a clock says."""
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in CLOCK} for line in lines]


KILLED = """
import os, runpy, signal
from baselines.training.metrics import MetricsLog
write, lines = MetricsLog.write, iter(range(1, 100))

def last_words(log, step, **values):
    write(log, step, **values)
    if next(lines) == {lines}:
        os.kill(os.getpid(), signal.SIGKILL)

MetricsLog.write = last_words
runpy.run_module("harness", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("lines", [1, 6, 11], ids="after line {}".format)
def test_a_killed_process_and_the_same_command_again_give_the_numbers_of_an_undisturbed_run(
    request_of, train, undisturbed, workplace, tmp_path, lines
) -> None:
    """Killed before the first checkpoint, between a held-out loss and the next, and when the last ones are near."""
    whole = train(request_of(undisturbed))
    process = program(workplace, tmp_path / "run", start=("-c", KILLED.format(lines=lines)))
    said, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, said
    assert len(metrics(tmp_path / "run")) == lines
    assert train(request_of(tmp_path / "run")) == whole
    assert metrics(tmp_path / "run") == metrics(undisturbed)


def test_two_processes_give_the_curve_of_one_and_so_do_parts(
    request_of, train, undisturbed, workplace, tmp_path
) -> None:
    """Each of the two takes its two windows in two parts, and averages gradients after the second."""
    if not undisturbed.exists():
        train(request_of(undisturbed))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    start = [*torchrun, "--master-port", str(port), "-m", "harness"]
    process = program(workplace, tmp_path / "two", start=start, words=["--windows-per-pass", "1"])
    train(request_of(tmp_path / "parts", running={"windows_per_pass": 1}))
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert said.count(f"step {STEPS:,}/{STEPS:,}") == 1, "only the first process speaks"
    one = metrics(undisturbed)
    for other in (metrics(tmp_path / "two"), metrics(tmp_path / "parts")):
        assert [line.keys() for line in other] == [line.keys() for line in one]
        for theirs, ours in zip(other, one, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-4)


class Killed(BaseException):
    """What ends a process between two instructions."""


@pytest.mark.slow
def test_tiny_as_it_is_goes_on_after_a_kill(request_of, train, tmp_path, genie) -> None:
    """In bfloat16, from counts, and from a clip with more than one batch."""
    words = {"config": "tiny", "steps": 4, "batch": 1}
    whole = train(request_of(tmp_path / "whole", **words))
    model, passes = genie("exercise").Solver, []
    forward = model.forward

    def dying(self, *parts):
        passes.append(1)
        if len(passes) == 5:  # one was to count its operations
            raise Killed
        return forward(self, *parts)

    model.forward = dying
    try:
        with pytest.raises(Killed):
            train(request_of(tmp_path / "run", **words))
    finally:
        model.forward = forward
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-00000003"]
    assert train(request_of(tmp_path / "run", **words)) == whole
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())["recipe"]
    assert recipe["precision"] == "bfloat16"
