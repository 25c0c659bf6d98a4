"""What moved over the network of build.sh; with a real engine in tests/integration/test_docker_supply.py."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from docker.errors import APIError

from harness.sandbox.hosts import READY
from harness.sandbox.traffic import Line


class Holder:
    """The container that counts and listens; it may do neither when it is told to end."""

    def __init__(self, *, at_kill: Exception | None = None, at_wait: Exception | None = None) -> None:
        self._at_kill, self._at_wait = at_kill, at_wait

    def stats(self, **_: Any) -> dict[str, Any]:
        return {"networks": {"eth0": {"rx_bytes": 70, "tx_bytes": 30}}}

    def kill(self, **_: Any) -> None:
        if self._at_kill:
            raise self._at_kill

    def wait(self, **_: Any) -> None:
        if self._at_wait:
            raise self._at_wait

    def logs(self, **_: Any) -> bytes:
        return f'{READY}{{"destinations": [], "found": 0, "missed": 0, "is_full": false}}'.encode()


def test_what_was_counted_and_heard_is_told() -> None:
    traffic = Line(settings={}, holder=Holder()).traffic()
    assert (traffic.received_bytes, traffic.sent_bytes, traffic.unheard) == (70, 30, "")


@pytest.mark.parametrize(
    "holder",
    [
        Holder(at_kill=APIError("409 Client Error: Conflict", explanation="it is not running")),
        Holder(at_wait=requests.ReadTimeout("read timed out")),
        Holder(at_wait=requests.ConnectionError("read timed out")),
    ],
)
def test_a_listener_that_is_dead_or_hangs_costs_no_finished_build(holder: Holder) -> None:
    """Control: its errors are kept from the grade; the engine has counted all the same."""
    traffic = Line(settings={}, holder=holder).traffic()
    assert (traffic.received_bytes, traffic.sent_bytes) == (70, 30)
    assert "did not end" in traffic.unheard
