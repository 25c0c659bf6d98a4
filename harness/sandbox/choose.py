"""Which sandbox a grade would use on this machine, and what to do to have the safe one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import DependencyMissing, SandboxFailed, SandboxUnavailable, UsageError
from harness.sandbox.container import DockerSandbox
from harness.sandbox.contract import Sandbox
from harness.sandbox.engine import switch_on
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.process import ProcessSandbox

NO_ISOLATION = (
    "NO ISOLATION: the entry runs with your rights. Use the process sandbox for your own code only."
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The sandbox that is there.

    Attributes:
        sandbox: ready to use; Docker where an engine answers and has the base image.
        reason: why this one.
        switch_on: commands that would make it Docker; empty when it is.
    """

    sandbox: Sandbox
    reason: str
    switch_on: tuple[str, ...]


def choose(policy: SandboxPolicy, *, cache: Path | None = None) -> Choice:
    """Docker if it can be used at once, else the process sandbox and what stands in the way."""
    try:
        docker = DockerSandbox(policy=policy, cache=cache)
    except (SandboxUnavailable, SandboxFailed, DependencyMissing) as error:
        return Choice(
            sandbox=ProcessSandbox(policy=policy, cache=cache),
            reason=error.message,
            switch_on=switch_on(error.code, base_image=policy.base_image) or (error.fix,),
        )
    return Choice(sandbox=docker, reason=_describe(docker), switch_on=())


def open_sandbox(name: str, policy: SandboxPolicy, *, cache: Path | None = None) -> Sandbox:
    """The sandbox called `docker` or `process`.

    Raises: SandboxUnavailable when Docker is asked for and not there; UsageError for another name.
    """
    if name == "docker":
        return DockerSandbox(policy=policy, cache=cache)
    if name == "process":
        return ProcessSandbox(policy=policy, cache=cache)
    raise UsageError(
        f"there is no sandbox {name!r}", fix="use --sandbox docker or --sandbox process", code="usage.sandbox"
    )


def _describe(docker: DockerSandbox) -> str:
    facts = docker.facts
    return f"Docker engine {facts.version} with base image {facts.base_name} ({facts.base_id[:19]})"
