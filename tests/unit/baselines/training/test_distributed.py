"""Who shares a run, and what each takes of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import TrainingFailed, UsageError

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[4]

LEARNING_TOGETHER = r"""
import os, torch
from baselines.training.distributed import joined

def learn(team):
    model = team.distribute(torch.nn.Linear(2, 1))
    model.itself = model  # only the collector finds it
    model(torch.ones(3, 2)).sum().backward()
    return team.total(torch.ones(1)).item()

def threads():
    return {open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")}

with joined("cpu") as team:
    together, during = learn(team), threads()
told = f"{together:g} {'pt_gloo_runloop' in during} {'pt_gloo_runloop' in threads()}"
os.write(1, f"{told}\n".encode())  # in one piece: two processes share the pipe
"""


@pytest.fixture
def distributed(training):
    return training("distributed")


@pytest.fixture
def team_of(distributed, torch):
    return lambda rank, size: distributed.Team(rank=rank, size=size, device=torch.device("cpu"))


def test_a_batch_is_dealt_out_whole(team_of) -> None:
    assert [list(team_of(rank, 3).share(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_that_cannot_be_dealt_out_evenly_is_refused(team_of) -> None:
    with pytest.raises(UsageError) as caught:
        team_of(0, 4).share(6)
    assert caught.value.code == "usage.batch"
    assert "--batch 8" in caught.value.fix


def test_one_process_is_a_team_of_its_own(distributed, torch, monkeypatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with distributed.joined("cpu") as team:
        assert (team.rank, team.size, team.device.type, team.is_first) == (0, 1, "cpu", True)
        model = torch.nn.Linear(1, 1)
        assert team.distribute(model) is model
        assert team.total(torch.tensor([1.5])).item() == 1.5
        assert team.as_first_says(7) == 7


def test_no_thread_of_a_team_outlives_it(tmp_path) -> None:
    """One that lets go of its last tensor while the interpreter ends would abort the process, once in a while."""
    script = tmp_path / "together.py"
    script.write_text(LEARNING_TOGETHER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    finished = subprocess.run(
        [sys.executable, *torchrun, "--master-port", port, script],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["2 True False"] * 2


@pytest.mark.parametrize("name", ["tpu", "meta", "cuda:99", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(distributed, name) -> None:
    with pytest.raises(UsageError) as caught, distributed.joined(name):
        pass
    assert caught.value.code == "usage.device"


def test_a_lost_process_is_no_bug(training, torch) -> None:
    explained = training("failures").lost_process_explained
    for error in (
        RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"),
        torch.distributed.DistBackendError("NCCL error"),
    ):
        with pytest.raises(TrainingFailed) as caught, explained():
            raise error
        assert caught.value.code == "training.process_lost"
    with pytest.raises(RuntimeError, match="shapes"), explained():
        raise RuntimeError("shapes")
