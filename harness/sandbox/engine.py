"""The Docker engine: reaching it, and turning its failures into ours."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import DependencyMissing, SandboxFailed, SandboxUnavailable
from harness.extras import install
from harness.sandbox.policy import DEFAULT_BASE_IMAGE

if TYPE_CHECKING:
    from docker import DockerClient

ANSWER_TIMEOUT_S = 120.0
"""How long one request may take: an engine with a busy disk is slow, one that says nothing for so long hangs."""

_LOCAL = "unix://"
_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"

_SWITCH_ON = {
    "sandbox.no_engine": ("sudo apt-get install -y docker.io", "sudo systemctl start docker", "docker info"),
    "sandbox.engine_silent": ("sudo systemctl restart docker",),
    "sandbox.no_permission": ('sudo usermod -aG docker "$USER"', "newgrp docker"),
}


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What an engine is and has, as far as a grade depends on it.

    Attributes:
        base_id: digest of the base image; containers are made from it, not from a name that may move.
        runtimes: the OCI runtimes that it was told of, by name, with the arguments it gives them.
    """

    version: str
    default_runtime: str
    cpus: int
    memory_bytes: int
    base_name: str
    base_id: str
    runtimes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def switch_on(code: str, *, base_image: str) -> tuple[str, ...]:
    """The commands that remove an obstacle to using Docker, by the error's code; empty for one with no such cure."""
    if code == "sandbox.no_base_image":
        is_ours = base_image == DEFAULT_BASE_IMAGE
        return (
            "wmc sandbox build" if is_ours else f"wmc sandbox build --base-image {shlex.quote(base_image)}",
        )
    commands = _SWITCH_ON.get(code, ())
    return ("unset DOCKER_HOST", *commands) if commands and os.environ.get("DOCKER_HOST") else commands


@contextmanager
def connected(*, timeout_s: float | None = None) -> Iterator[DockerClient]:
    """A client of the engine, closed on exit; it waits `timeout_s` for each answer, or `ANSWER_TIMEOUT_S`.

    Raises: SandboxUnavailable when no engine answers; SandboxFailed when it breaks inside the context;
    DependencyMissing without the docker package.
    """
    try:
        import docker
        import docker.errors
        import requests
    except ImportError as error:
        raise DependencyMissing("the docker package is missing", fix=install()) from error
    timeout_s = timeout_s or ANSWER_TIMEOUT_S
    _check_socket(timeout_s)
    engine_errors = (docker.errors.DockerException, requests.RequestException)
    try:
        client = docker.from_env(timeout=timeout_s)
    except engine_errors as error:
        if _timed_out(error):
            message = f"the Docker engine takes calls and says nothing for {timeout_s:g} s"
            raise _unavailable("sandbox.engine_silent", message) from error
        raise _unavailable("sandbox.no_engine", "no Docker engine answers") from error
    try:
        yield client
    except engine_errors as error:
        if _timed_out(error):
            raise SandboxFailed(
                f"the Docker engine said nothing for {timeout_s:g} s",
                fix="`sudo systemctl restart docker`, then grade again; journalctl -u docker may say why",
                code="sandbox.engine_silent",
            ) from error
        raise SandboxFailed(
            f"the Docker engine refused or broke: {str(error)[:500]}",
            fix="look at the engine's log (journalctl -u docker), then grade again",
            code="sandbox.engine",
        ) from error
    finally:
        client.close()


def describe(client: DockerClient, *, base_image: str) -> Engine:
    """The engine's facts.

    Raises: SandboxUnavailable when it does not have the base image.
    """
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(base_image)
    except ImageNotFound as error:
        raise _no_base_image(base_image) from error
    info = client.info()
    return Engine(
        version=info["ServerVersion"],
        default_runtime=info["DefaultRuntime"],
        cpus=info["NCPU"],
        memory_bytes=info["MemTotal"],
        base_name=base_image,
        base_id=image.id,
        runtimes={
            name: tuple(facts.get("runtimeArgs") or ())
            for name, facts in (info.get("Runtimes") or {}).items()
        },
    )


def _no_base_image(base_image: str) -> SandboxUnavailable:
    command = "wmc sandbox build"
    fix = "make it with `wmc sandbox build`, or name one that is there with --base-image or WMC_BASE_IMAGE"
    if base_image != DEFAULT_BASE_IMAGE:
        [command] = switch_on("sandbox.no_base_image", base_image=base_image)
        fix = f"`docker images` lists what is there; `{command}` makes our own image under that name"
    return SandboxUnavailable(
        f"the engine has no base image {base_image}", fix=fix, code="sandbox.no_base_image", command=command
    )


def _timed_out(error: BaseException) -> bool:
    """True when an answer that did not come in time is at the bottom of an error."""
    import requests

    link: BaseException | None = error
    seen: set[int] = set()  # errors that were raised while others were handled can point at each other
    while link is not None and id(link) not in seen:
        if isinstance(link, requests.Timeout | TimeoutError):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False


def _check_socket(timeout_s: float) -> None:
    """Nothing, if somebody listens on a local engine's socket: the client could not tell the reasons apart.

    Raises: SandboxUnavailable.
    """
    address = os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS
    if not address.startswith(_LOCAL):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout_s)
        try:
            probe.connect(address.removeprefix(_LOCAL))
        except PermissionError as error:
            message = "this user may not talk to the Docker engine"
            raise _unavailable("sandbox.no_permission", message) from error
        except OSError as error:
            raise _unavailable("sandbox.no_engine", "no Docker engine answers") from error


def _unavailable(code: str, message: str) -> SandboxUnavailable:
    fix = "try: " + " && ".join(_SWITCH_ON[code])
    if address := os.environ.get("DOCKER_HOST"):
        fix = (
            f"DOCKER_HOST is set to {address}: correct it, or `unset DOCKER_HOST` to use this machine's own "
            f"engine; if that is missing, {fix}"
        )
    return SandboxUnavailable(message, fix=fix, code=code, command="wmc sandbox status")
