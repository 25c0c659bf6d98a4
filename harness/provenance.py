"""What a record says of where it comes from before anything was looked at, whatever the entry is asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.data.windows import Schedule
from harness.exam import SCORING_VERSION
from harness.protocol.conversation import GATE_VERSION, Limits
from harness.results.report import Provenance
from harness.results.version import git_commit, harness_version
from harness.sandbox.contract import Sandbox
from harness.spec import CHALLENGE


def first_provenance(
    sandbox: Sandbox, *, seed: int, schedule: Schedule, limits: Limits, **facts: Any
) -> Provenance:
    """This wmc, this sandbox, and what was asked for; `facts` are more fields of the `Provenance`."""
    return Provenance(
        harness_version=harness_version(),
        git_commit=git_commit(),
        spec_version=CHALLENGE.version,
        gate_version=GATE_VERSION,
        scoring_version=SCORING_VERSION,
        sandbox=sandbox.name,
        sandbox_details=sandbox.details,
        sandbox_policy=sandbox.in_force,
        seed=seed,
        schedule=schedule.value,
        limits=asdict(limits),
        **facts,
    )
