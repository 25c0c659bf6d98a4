"""A container that is long in dying is waited for, and an entry gains nothing by it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from harness.errors import SandboxFailed
from harness.sandbox import cgroup, lifecycle


class Dying:
    """A container that runs on for so many looks after it was killed, and cannot be removed meanwhile."""

    def __init__(self, *, looks: int) -> None:
        self.name, self.id, self.looks, self.is_removed = "wmc-run-x", "x", looks, False

    @property
    def attrs(self) -> dict[str, Any]:
        return {"State": {"Running": self.looks > 0}}

    def kill(self) -> None:
        raise APIError("500: tried to kill container, but did not receive an exit event")

    def reload(self) -> None:
        self.looks -= 1

    def remove(self, **_: Any) -> None:
        if self.looks > 0:
            raise APIError("500: cannot remove - tried to kill container, but did not receive an exit event")
        self.is_removed = True


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cgroup, "survivors", lambda *_, **__: ())
    return


def ended(dying: Dying) -> None:
    client: Any = SimpleNamespace(
        containers=SimpleNamespace(create=lambda **_: dying, get=lambda _: dying),
    )
    with lifecycle.container(client, {}, purpose="run", log=None, log_bytes=0):
        pass


def test_a_container_that_dies_slowly_is_waited_for_and_removed() -> None:
    dying = Dying(looks=3)
    ended(dying)
    assert dying.is_removed


def test_one_that_does_not_die_is_called_a_survivor_and_not_an_engine_that_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Control: removing comes after its end. Else the engine's refusal is what the grade ended with, and no attempt."""
    monkeypatch.setattr(lifecycle, "_END_TIMEOUT_S", 0.05)
    with pytest.raises(SandboxFailed) as caught:
        ended(Dying(looks=10**9))
    assert caught.value.code == "sandbox.survivor"
