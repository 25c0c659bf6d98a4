"""What a reader must know about a grade before comparing it, as badges with their legend."""

from __future__ import annotations

from enum import Enum

from harness.results.report import GradeReport


class Mark(str, Enum):
    """A reservation about a grade; the value is its name in the exports."""

    SELF_RUN = "self_run"
    ORDER_LEAKS = "order_leaks"
    CARRIED_STATE = "carried_state"
    BATCH_DEPENDENT = "batch_dependent"

    @property
    def label(self) -> str:
        """As the badge says it."""
        return {
            Mark.SELF_RUN: "not isolated: self-run",
            Mark.ORDER_LEAKS: "order leaks",
            Mark.CARRIED_STATE: "carried state",
            Mark.BATCH_DEPENDENT: "batch-dependent",
        }[self]

    @property
    def meaning(self) -> str:
        """As the legend says it."""
        return {
            Mark.SELF_RUN: "Run as a plain process, without a sandbox: nothing kept it from the held-out data.",
            Mark.ORDER_LEAKS: "The graded windows interleave, so earlier ones show frames of later ones. "
            "For comparison only.",
            Mark.CARRIED_STATE: "Windows served a second time scored better than chance allows: the program "
            "remembered revealed frames.",
            Mark.BATCH_DEPENDENT: "A window's loss changed with the other windows in its batch.",
        }[self]


def marks_of(report: GradeReport) -> tuple[Mark, ...]:
    """The reservations about one grade, in the legend's order."""
    probes = [result.state_probe for result in report.regimes.values() if result]
    holds = {
        Mark.SELF_RUN: report.provenance.sandbox == "process",
        Mark.ORDER_LEAKS: bool(report.provenance.order_leaks),
        Mark.CARRIED_STATE: any(probe.carried_state for probe in probes),
        Mark.BATCH_DEPENDENT: any(probe.depends_on_neighbours for probe in probes),
    }
    return tuple(mark for mark in Mark if holds[mark])
