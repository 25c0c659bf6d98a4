"""The OCI runtime that an entry's own code runs on, tried out before anything is built or shown on it.

gVisor (`runsc`) puts a kernel of its own between an entry and the host's. What it does with the gate's socket, the
network and the system call filter depends on how the engine was told to start it, and on its age; an entry would be
charged for a runtime that cannot hold it, so a program of ours goes first.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.disk import scratch
from harness.errors import SandboxFailed, SandboxUnavailable
from harness.sandbox import flags, lifecycle
from harness.sandbox.engine import Engine
from harness.sandbox.policy import MIB, Limits, SandboxPolicy
from harness.text import printable

if TYPE_CHECKING:
    from docker import DockerClient

PLAIN = "runc"
_NO_NETWORK = "--network=none"
_DOOR = "/opt/wmc_trial"
_LIMITS = Limits(memory_bytes=512 * MIB, pids=256, tmp_bytes=16 * MIB, tmp_inodes=1000, shm_bytes=MIB)
_TRIAL_TIMEOUT_S = 60
_ANSWER_BYTES = 4096
_FILTERED = "2"
_QUOTED = 400
_OLD_RUNSC = "root network namespace"
_CONFIGURE = (
    'put {"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--host-uds=open"]}}} '
    "into /etc/docker/daemon.json, then `sudo kill -HUP $(pidof dockerd)`"
)
_PROGRAM = """
import json, socket, threading
try:
    threading.Thread(target=int).start()
    has_threads = True
except RuntimeError:
    has_threads = False
fields = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
with socket.socket(socket.AF_UNIX) as stream:
    stream.connect("%s/socket")
    stream.sendall(json.dumps({"seccomp": fields.get("Seccomp", "").strip(), "threads": has_threads}).encode())
"""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What runs entries.

    Attributes:
        name: as the engine knows it.
        arguments: with which the engine starts it, as far as it says; empty for its default.
        filters_calls: whether our system call filter holds inside. gVisor has a kernel of its own in front of the
            host's, and what the filter forbids reaches only that. It takes the filter too where it is told to.
    """

    name: str
    arguments: tuple[str, ...] = ()
    filters_calls: bool = True


def chosen(client: DockerClient, engine: Engine, policy: SandboxPolicy) -> Runtime:
    """The runtime that the policy asks for, or the engine's own, after a guest in it has reached a socket of ours.

    Raises: SandboxUnavailable where the engine does not have it, or it cannot hold an entry; SandboxFailed.
    """
    name = policy.runtime or engine.default_runtime
    if name == PLAIN:
        return Runtime(name=name)
    answer = _try_out(client, engine, policy, name)
    if not answer["threads"]:
        raise _no_threads(name)
    return Runtime(
        name=name, arguments=engine.runtimes.get(name, ()), filters_calls=answer["seccomp"] == _FILTERED
    )


def has_network(engine: Engine, policy: SandboxPolicy) -> bool:
    """False where the engine's settings keep every container of the runtime from a network, build.sh's too."""
    return _NO_NETWORK not in engine.runtimes.get(policy.runtime or engine.default_runtime, ())


def _try_out(client: DockerClient, engine: Engine, policy: SandboxPolicy, name: str) -> dict[str, Any]:
    """What a program of ours, held as an entry is, said through a socket in a folder that it may only read."""
    from docker.errors import APIError

    refusal: APIError | None = None
    with _door() as (folder, listener):
        settings = {
            **flags.hardened(policy, _LIMITS, engine, grade="trial"),
            **flags.offline(),
            "runtime": name,
            "mounts": [flags.folder_mount(folder, _DOOR)],
            "entrypoint": ["python3", "-I", "-S"],
            "command": ["-c", _PROGRAM % _DOOR],
        }
        try:
            with lifecycle.container(client, settings, purpose="trial", log=None, log_bytes=0) as trial:
                try:
                    trial.start()
                except APIError as error:
                    refusal = error
                else:
                    status = trial.wait(timeout=_TRIAL_TIMEOUT_S)["StatusCode"]
                    said = trial.logs(stdout=False, stderr=True, tail=1).decode("utf-8", "replace")
        except APIError as error:
            refusal = refusal or error
        except SandboxFailed:
            if refusal is None:  # processes of a start that failed are found and killed, and are not the news
                raise
        if refusal is not None:
            raise _refused(engine, name, str(refusal.explanation or refusal)) from refusal
        if status:
            raise _no_gate(name, said)
        return _received(listener, name)


@contextmanager
def _door() -> Iterator[tuple[str, socket.socket]]:
    """A folder with a listening socket in it, as the gate's is."""
    with (
        scratch.folder("trial") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        folder.chmod(0o755)
        listener.bind(f"{folder}/socket")
        (folder / "socket").chmod(0o666)
        listener.listen(1)
        yield str(folder), listener


def _received(listener: socket.socket, name: str) -> dict[str, Any]:
    listener.setblocking(False)
    try:
        stream, _ = listener.accept()
        with stream:
            answer: dict[str, Any] = json.loads(stream.recv(_ANSWER_BYTES))
    except (OSError, ValueError) as error:
        raise _no_gate(name, str(error)) from error
    return answer


def _refused(engine: Engine, name: str, words: str) -> SandboxUnavailable:
    """Why the engine does not start the runtime: old and new engines say it differently."""
    said = printable(words).strip()[:_QUOTED]
    if re.search(r"unknown (or invalid )?runtime", said, re.IGNORECASE):
        return SandboxUnavailable(
            f"the engine has no runtime {name}; it has {', '.join(sorted(engine.runtimes)) or 'its default only'}",
            fix=f"for gVisor: `sudo apt-get install -y runsc`, {_CONFIGURE}",
            code="sandbox.no_runtime",
        )
    by_hand = f"docker run --rm --runtime {shlex.quote(name)} {shlex.quote(engine.base_name)} true"
    fix = f"leave --runtime {name} out, or see what `{by_hand}` says"
    if _OLD_RUNSC in said:
        fix = (
            'this runsc is older than the kernel and cannot tell its networks apart: add "--network=none" to its '
            'runtimeArgs (build.sh then has no network) or "--network=host" (it means the container\'s own; build.sh '
            "has its network), or install a newer runsc from gvisor.dev"
        )
    return SandboxUnavailable(
        f"the runtime {name} cannot start a container: {said}", fix=fix, code="sandbox.runtime"
    )


def _no_gate(name: str, words: str) -> SandboxUnavailable:
    said = printable(words).strip()[:_QUOTED]
    return SandboxUnavailable(
        f"a program in the runtime {name} cannot reach a socket of this machine's, so no entry could answer: "
        f"{said}",
        fix=f'runsc connects to one only with "--host-uds=open" in its runtimeArgs: {_CONFIGURE}',
        code="sandbox.runtime",
    )


def _no_threads(name: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        f"a program in the runtime {name} cannot start a thread",
        fix="take --oci-seccomp out of its runtimeArgs if it is there: runsc of 2022, as Debian 12 has it, starts no "
        "thread under our filter; or install a newer runsc from gvisor.dev",
        code="sandbox.runtime",
    )
