"""Ctrl-C, twice too, and a polite kill, in every part of a grade: one record, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Blame
from harness.results.store import Store

pytestmark = [
    pytest.mark.timeout(60),
    # The docker package leaves a socket open that nobody listens to.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PROGRAM = Path(__file__).parent / "slow_grade.py"


@pytest.fixture
def started(own_grader: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """`wmc grade` in a process of its own, its temporary files in a folder of the test's."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(part: str, *, sandbox: str = "process", entry: Path | None = None, **surroundings: str) -> Any:
        (tmp_path / "t").mkdir(exist_ok=True)
        command = [
            *(sys.executable, str(PROGRAM), part, str(tmp_path / "here")),
            *("grade", str(entry or own_grader.entry), "--data", str(own_grader.clip), "--sandbox", sandbox),
            *("--store", str(tmp_path / "store"), "--regime", "temporally_teacher_forced", "--no-pictures"),
        ]
        places = {"TMPDIR": str(tmp_path / "t"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        surroundings = {**os.environ, **places, **surroundings}
        begun.append(subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def left_running(tmp_path: Path) -> list[str]:
    """Processes whose command or folder is the test's."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            place = os.readlink(folder / "cwd") if folder.name.isdecimal() else ""
        except OSError:
            continue
        if place.startswith(str(tmp_path)):
            found.append(f"{folder.name} in {place}")
    return found


CTRL_C, POLITE_KILL = [signal.SIGINT], [signal.SIGTERM]


@pytest.mark.parametrize(
    ("part", "signals", "status"),
    [
        ("build", CTRL_C * 3, 130),
        ("run", CTRL_C * 3, 130),
        ("run", POLITE_KILL + CTRL_C, 143),
        ("scoring", CTRL_C * 3, 130),
    ],
)
def test_an_interruption_is_one_record_and_leaves_nothing(
    started: Any, part: str, signals: list[signal.Signals], status: int, tmp_path: Path
) -> None:
    """Control: only the first signal is let through (`cli._end`)."""
    grade = started(part)
    wait_for((tmp_path / "here").exists)
    for number in signals:
        grade.send_signal(number)
        time.sleep(0.05)
    assert grade.wait(30) == status
    [report] = Store(tmp_path / "store").reports()
    if part == "scoring":
        assert report.failure is None, "there are scores: they stay"
    else:
        assert (report.failure.code, report.failure.blame) == ("grade.interrupted", Blame.OPERATOR)
    assert list((tmp_path / "t").iterdir()) == []
    assert left_running(tmp_path) == []


@pytest.mark.docker
@pytest.mark.parametrize("part", ["build", "run"])
def test_an_interrupted_container_is_gone(
    started: Any, grader: Any, own_engine: Any, part: str, tmp_path: Path
) -> None:
    slow = (
        grader.with_build("sleep 60\n")
        if part == "build"
        else grader.with_evaluate("import time\ntime.sleep(60)\n")
    )
    image = {"WMC_BASE_IMAGE": grader.policy.base_image}
    grade = started("offline", sandbox="docker", entry=slow.entry, **image)
    wait_for(lambda: [name for name in own_engine.left() if name.startswith(f"wmc-{part}-")])
    time.sleep(0.5)
    for _ in range(3):
        grade.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert grade.wait(40) == 130
    said = grade.stderr.read().decode()
    assert "still cleaning up" in said
    [report] = Store(tmp_path / "store").reports()
    assert report.failure.code == "grade.interrupted"
    assert own_engine.left() == []
    assert list((tmp_path / "t").iterdir()) == []
