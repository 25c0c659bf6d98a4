"""One conversation with a built entry: in a sandbox of its own, through a gate of its own, its end told in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from harness.errors import GuestFailed
from harness.exam import Exam
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.gate import Gate, open_gate
from harness.protocol.regimes import Regime
from harness.results.record import Record
from harness.results.store import Store
from harness.sandbox.contract import BuiltEntry, Guest, Sandbox

T = TypeVar("T")
REPORTED = "[wmc] the entry reported: "
"""Begins what an entry's log ends with where the entry said through the gate why it failed."""

_END_PATIENCE_S = 2.0  # a closed socket is seen before the process behind it is gone
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Starts the entry of one grade, as often as there is something to ask."""

    sandbox: Sandbox
    store: Store
    record: Record
    limits: Limits

    def ask(
        self,
        regime: Regime,
        exam: Exam,
        built: BuiltEntry,
        conduct: Callable[..., T],
        *,
        name: str | None = None,
    ) -> T:
        """What `conduct(conversation, ready_by=...)` makes of it; its log and its time go by `name`, or the regime's.

        Raises: GuestFailed, SandboxUnavailable, SandboxFailed.
        """
        name = name or regime.value
        log = self.store.grade_folder(self.record.grade_id) / f"{name}.log"
        try:
            with self.record.timed(name), open_gate(exam.gate_metadata(regime)) as gate:
                ready_by = time.monotonic() + self.limits.start_s
                with self.sandbox.run(
                    built, grade_id=self.record.grade_id, gate=gate.folder, log=log
                ) as guest:
                    return self._converse(regime, gate, guest, partial(conduct, ready_by=ready_by), ready_by)
        except GuestFailed as error:
            if error.guest_words:  # only its entrant and the organiser read them; on a full disk nobody does
                with suppress(OSError), log.open("a", encoding="utf-8") as file:
                    file.write(f"\n{REPORTED}{error.guest_words}\n")
            raise
        finally:
            self.record.ran_in(self.sandbox.details)

    def _converse(
        self, regime: Regime, gate: Gate, guest: Guest, conduct: Callable[[Conversation], T], ready_by: float
    ) -> T:
        try:
            with gate.accept(ready_by=ready_by, how_it_ended=guest.how_it_ended) as channel:
                return conduct(Conversation(channel=channel, regime=regime, limits=self.limits))
        except GuestFailed as error:
            raise _with_its_end(error, guest, regime) from error


def _with_its_end(error: GuestFailed, guest: Guest, regime: Regime) -> GuestFailed:
    """The same error, once the guest has had time to print why; a gate that was closed also says how it ended."""
    if error.code not in {"guest.closed", "guest.exception"}:
        return error
    patience_ends = time.monotonic() + _END_PATIENCE_S
    while (ended := guest.how_it_ended()) is None and time.monotonic() < patience_ends:
        time.sleep(_POLL_S)
    if ended is None or error.code == "guest.exception":
        return error
    return GuestFailed(f"evaluate.py {ended} during {regime.value}", code=error.code, fix=error.fix)
