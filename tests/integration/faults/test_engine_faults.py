"""Somebody kills a container, or the engine itself, under a running grade: the operator is told, not the entrant."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import owner
from harness.errors import Blame, SandboxUnavailable
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime
from harness.results.report import Status
from harness.sandbox import cgroup, engine, lifecycle
from harness.sandbox.container import DockerSandbox

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(60),
    # The docker package leaves a socket open that nobody listens to.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[3]
RUNNING = f"{Regime.TEMPORALLY_TEACHER_FORCED.in_words}, frames"


def the_container(own_engine: Any, purpose: str = "run") -> str:
    [name] = [name for name in own_engine.left() if name.startswith(f"wmc-{purpose}-")]
    return name


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["kill"], "killed"),
        (["rm", "--force"], "killed and removed"),
        pytest.param(["kill", "--signal", "TERM"], "killed", marks=pytest.mark.nightly),
        pytest.param(["stop"], "stopped", marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_an_entry_whose_container_somebody_ends_is_not_charged(
    grader: Any, own_engine: Any, saboteur: Any, command: list[str], word: str
) -> None:
    """Control: the engine's own word for who ended it (`outside.excused`)."""
    deed = saboteur(RUNNING, lambda: own_engine.run(*command, the_container(own_engine)))
    report = grader.grade(deed)
    assert report.failure is not None
    assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "sandbox.ended_from_outside")
    assert word in report.failure.message
    assert own_engine.left() == []


@pytest.mark.nightly
def test_a_paused_entry_is_not_charged_for_being_late(grader: Any, own_engine: Any, saboteur: Any) -> None:
    """Control: the engine's own word for who stopped it (`outside.excused`)."""
    report = replace(grader, limits=Limits(start_s=60, reply_s=1, regime_s=5)).grade(
        saboteur(RUNNING, lambda: own_engine.run("pause", the_container(own_engine)))
    )
    assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "sandbox.ended_from_outside")
    assert "paused" in report.failure.message
    assert own_engine.left() == []


def test_an_entry_that_ends_itself_is_charged(grader: Any, own_engine: Any) -> None:
    """The other way round: with no word from the engine a kill is the entry's own doing."""
    report = grader.with_evaluate(
        "import os, signal, wmc_guest\nos.kill(os.getpid(), signal.SIGKILL)\n"
    ).grade()
    assert report.failure.blame is Blame.ENTRY
    assert "killed by signal 9" in report.failure.message


@pytest.mark.parametrize("command", [["kill"], ["rm", "--force"]], ids=str)
def test_a_build_that_somebody_ends_is_not_charged(
    grader: Any, own_engine: Any, saboteur: Any, command: list[str]
) -> None:
    """Control: the engine's own word for who ended it (`outside.watched`)."""

    def deed() -> None:
        threading.Thread(target=later).start()

    def later() -> None:
        # One that is only made yet cannot be killed.
        while not (names := [name for name in own_engine.running() if name.startswith("wmc-build-")]):
            time.sleep(0.05)
        time.sleep(0.5)
        own_engine.run(*command, *names)

    report = grader.with_build("trap '' TERM\nsleep 30\n").grade(saboteur("running ./build.sh", deed))
    assert report.failure.blame is Blame.OPERATOR
    # One that is removed may be gone before anybody could ask what became of it.
    assert report.failure.code in ["sandbox.ended_from_outside", "sandbox.engine"][: 1 + ("rm" in command)]
    assert own_engine.left() == []


def test_an_engine_that_is_killed_and_comes_back_is_no_fault_of_the_entrys(
    grader: Any, own_engine: Any, saboteur: Any
) -> None:
    """The engine ends what ran as it comes back; the next grade is a grade like any other."""

    def restart() -> None:
        own_engine.kill()
        own_engine.start()

    report = grader.grade(saboteur(RUNNING, restart))
    assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "sandbox.engine")
    assert "restarted" in report.failure.message
    assert own_engine.left() == []
    assert grader.grade().status is Status.GRADED


@pytest.mark.nightly
def test_an_engine_that_stays_away_leaves_no_process_and_the_next_harness_nothing(
    grader: Any, own_engine: Any, saboteur: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: without an engine the kernel is asked to end what runs (`lifecycle._end_without_fail`)."""
    monkeypatch.setattr(lifecycle, "_ENGINE_PATIENCE_S", 1.0)
    seen: list[str] = []

    def crash() -> None:
        seen.append(own_engine.run("inspect", "--format", "{{.Id}}", the_container(own_engine)).strip())
        assert cgroup.processes(seen[0])
        own_engine.kill()

    honest = (ROOT / "submissions_template" / "evaluate.py").read_text()
    lingers = grader.with_evaluate(f"import os, time\nif os.fork(): time.sleep(600)\n{honest}")
    report = lingers.grade(saboteur(RUNNING, crash))
    assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "sandbox.engine")
    assert cgroup.processes(seen[0]) == ()
    own_engine.start()
    monkeypatch.setattr(owner, "is_gone", lambda name: name == owner.this_process())
    DockerSandbox(policy=grader.policy, cache=grader.folder / "cache")
    assert own_engine.left() == []


def test_an_engine_that_hangs_is_an_error_within_its_time(own_engine: Any, grader: Any) -> None:
    with (
        own_engine.frozen(),
        pytest.raises(SandboxUnavailable, match="says nothing for 1 s") as caught,
        engine.connected(timeout_s=1),
    ):
        pytest.fail("it answered")
    assert caught.value.code == "sandbox.engine_silent"
    assert "systemctl restart docker" in caught.value.fix


@pytest.mark.nightly
def test_an_engine_that_hangs_under_a_grade_ends_it(
    own_engine: Any, grader: Any, saboteur: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for ever, and no process of the entry is left."""
    monkeypatch.setattr(lifecycle, "_ENGINE_PATIENCE_S", 1.0)
    monkeypatch.setattr(engine, "ANSWER_TIMEOUT_S", 2.0)
    seen: list[str] = []
    with ExitStack() as stack:

        def freeze() -> None:
            seen.append(own_engine.run("inspect", "--format", "{{.Id}}", the_container(own_engine)).strip())
            stack.enter_context(own_engine.frozen())

        report = grader.grade(saboteur(RUNNING, freeze))
        assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "sandbox.engine_silent")
        assert cgroup.processes(seen[0]) == ()
    for name in own_engine.left():
        own_engine.run("rm", "--force", name)
