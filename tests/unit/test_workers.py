"""Work that is shared among processes: nothing of it is lost, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness import workers
from harness.errors import StoreFailed
from harness.workers import by_all_cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process does all")


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 3)


def test_the_results_have_the_order_of_the_items_and_come_from_other_processes() -> None:
    found = by_all_cores(lambda item: (item, os.getpid()), range(100), least_each=50)
    assert [item for item, _ in found] == list(range(100))
    assert os.getpid() not in {pid for _, pid in found}


def test_what_is_sent_to_this_process_group_reaches_no_worker() -> None:
    assert os.getpgrp() not in by_all_cores(lambda _: os.getpgrp(), range(100), least_each=2)


def test_little_work_is_done_by_this_process() -> None:
    assert set(by_all_cores(lambda _: os.getpid(), range(99), least_each=50)) == {os.getpid()}


def test_an_error_of_the_work_is_no_end_of_the_items() -> None:
    """Control: the items are counted, not walked till one says IndexError."""

    class Items(list[int]):
        def __getitem__(self, index: object) -> int:
            raise IndexError(index)

    for least_each in (2, 1000):
        with pytest.raises(IndexError):
            by_all_cores(abs, Items(range(10)), least_each=least_each)


def test_one_core_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 1)
    assert set(by_all_cores(lambda _: os.getpid(), range(100), least_each=2)) == {os.getpid()}


def refuse(item: int) -> int:
    if item == 40:
        raise StoreFailed(
            f"no page for {item}", code="store.bad_record", fix="look at it", command="wmc verify"
        )
    return item


def test_an_error_arrives_as_it_was_raised() -> None:
    with pytest.raises(StoreFailed, match="no page for 40") as caught:
        by_all_cores(refuse, range(100), least_each=2)
    error = caught.value
    assert (error.code, error.fix, error.command) == ("store.bad_record", "look at it", "wmc verify")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_process_died_of_is_done_again(number: signal.Signals) -> None:
    """A worker that is told to end does not take it for its parent's end: it has none of its parent's handlers."""
    first = os.getpid()
    usual = signal.signal(signal.SIGTERM, lambda *_: 1 / 0)

    def die_elsewhere(item: int) -> int:
        if item == 40 and os.getpid() != first:
            os.kill(os.getpid(), number)
        return 2 * item

    try:
        assert by_all_cores(die_elsewhere, range(100), least_each=2) == list(range(0, 200, 2))
    finally:
        signal.signal(signal.SIGTERM, usual)


_SLEEPERS = """
import signal, time
from harness import workers

signal.signal(signal.SIGINT, signal.default_int_handler)
workers.cores = lambda: 3
workers.by_all_cores(lambda _: time.sleep(600), range(100), least_each=2)
"""


def groups(session: int) -> dict[int, int]:
    """The processes of a session beside its leader, as far as they still run, and their process groups."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            words = (process / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if words[0] != "Z" and int(words[3]) == session != int(process.name):
            found[int(process.name)] = int(words[2])
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nobody_outlives_a_process_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "sleepers.py"
    program.write_text(_SLEEPERS.replace("600", "600" if number is signal.SIGKILL else "1"))
    with (tmp_path / "said").open("w") as said:
        run = subprocess.Popen(
            [sys.executable, str(program)],
            start_new_session=True,
            stderr=said,
            env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])},
        )
    try:
        wait_until(
            lambda: sum(pid == group for pid, group in groups(run.pid).items()) == 3
        )  # they have begun
        os.killpg(run.pid, number)
        assert run.wait(timeout=60) != 0
        wait_until(lambda: not groups(run.pid))
        assert "ForkProcess" not in (tmp_path / "said").read_text(), "workers end without a word"
    finally:
        run.kill()
        run.wait()


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
