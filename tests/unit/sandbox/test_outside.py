"""Who had a hand in the end of a container; with a real engine in integration/faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from docker.errors import NotFound

from harness.errors import GuestFailed, SandboxFailed
from harness.sandbox import outside


class Stream:
    """What an engine tells, then silence until somebody hangs up, unless it breaks off."""

    def __init__(self, actions: list[str], *, breaks: bool) -> None:
        self._actions = iter(actions)
        self._over = threading.Event()
        if breaks:
            self._over.set()

    def __iter__(self) -> Iterator[dict[str, str]]:
        for action in self._actions:
            yield {"Action": action}
        self._over.wait(10)

    def close(self) -> None:
        self._over.set()


class FakeEngine:
    """Tells `actions` at once; asked later it remembers `remembered`."""

    def __init__(
        self, actions: list[str], *, breaks: bool = False, remembered: list[str] | None = None
    ) -> None:
        self._actions = actions
        self._breaks = breaks
        self._remembered = remembered or []

    def events(self, *, until: int | None, **_: Any) -> Any:
        if until is None:
            return Stream(self._actions, breaks=self._breaks)
        return iter([{"Action": action} for action in self._remembered])


class FakeContainer:
    def __init__(self, *, is_running: bool = False, is_known: bool = True) -> None:
        self.id = "c"
        self.attrs = {"State": {"Running": is_running}}
        self._is_known = is_known

    def reload(self) -> None:
        if not self._is_known:
            raise NotFound("no such container")


def excuse(engine: FakeEngine, **container: bool) -> SandboxFailed | None:
    with outside.watched(engine, FakeContainer(**container)) as witness:
        return witness.excuse()


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (["create", "start", "kill", "die"], "killed"),
        (["create", "start", "kill", "die", "stop"], "killed"),
        (["create", "start", "kill", "kill", "die", "destroy"], "killed"),
        (["create", "start", "pause", "unpause", "die"], "paused"),
    ],
)
def test_what_only_others_can_do_excuses_the_entry(actions: list[str], words: str) -> None:
    found = excuse(FakeEngine(actions))
    assert found is not None
    assert found.code == "sandbox.ended_from_outside"
    assert words in found.message


@pytest.mark.parametrize("actions", [["create", "start", "die"], ["create", "start", "oom", "die"]])
def test_an_end_of_its_own_is_no_excuse(actions: list[str]) -> None:
    """Nor is memory that ran out."""
    assert excuse(FakeEngine(actions)) is None


def test_a_container_that_runs_undisturbed_is_no_excuse() -> None:
    assert excuse(FakeEngine(["create", "start"]), is_running=True) is None


def test_a_container_that_is_gone_was_removed_by_somebody() -> None:
    found = excuse(FakeEngine([]), is_known=False)
    assert found is not None
    assert "removed" in found.message


def test_an_engine_that_does_not_remember_the_start_was_restarted() -> None:
    """What it then kills, as it comes back, nobody else killed."""
    found = excuse(FakeEngine(["create", "start"], breaks=True, remembered=["kill", "die"]))
    assert found is not None
    assert found.code == "sandbox.engine"
    assert "restarted" in found.message


def test_a_stream_that_broke_under_the_same_engine_is_caught_up_with() -> None:
    remembered = ["create", "start", "die"]
    assert excuse(FakeEngine(["create"], breaks=True, remembered=remembered)) is None
    assert excuse(FakeEngine(["create"], breaks=True, remembered=[*remembered, "kill"])) is not None


@pytest.mark.parametrize(
    ("actions", "kind"), [(["start", "die"], GuestFailed), (["start", "kill", "die"], SandboxFailed)]
)
def test_a_failure_of_the_entry_stays_its_own_unless_there_is_an_excuse(
    actions: list[str], kind: type[Exception]
) -> None:
    with pytest.raises(kind), outside.excused(FakeEngine(actions), FakeContainer()):
        raise GuestFailed("it closed the gate", code="guest.closed", fix="f")
