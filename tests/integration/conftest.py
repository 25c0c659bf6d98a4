"""A real engine for the tests marked `docker`: a sandbox with small limits, and an entry that does what it is told."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.progress import Silent
from harness.sandbox import volume
from harness.sandbox.container import DockerGuest, DockerSandbox
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.policy import GIB, MIB, Limits, SandboxPolicy

GRADE_ID = "grade-under-test"
PROGRAMS = Path(__file__).parent / "programs"
SMALL = Limits(memory_bytes=256 * MIB, pids=128, tmp_bytes=64 * MIB, tmp_inodes=1000, shm_bytes=16 * MIB)
# The gate's folder stands in for the program here, so that one built entry can play any part.
PUPPET = "#!/usr/bin/env python3\nexec(open('/held_out/program.py').read())\n"


@pytest.fixture(scope="session")
def policy(base_image: str) -> SandboxPolicy:
    return SandboxPolicy(
        base_image=base_image,
        build=SMALL,
        run=SMALL,
        build_timeout_s=60,
        entry_bytes=64 * MIB,
        entry_files=2000,
        disk_reserve_bytes=GIB,
        log_bytes=64 * 1024,
    )


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    import docker

    client = docker.from_env()
    yield client
    client.close()


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A Docker sandbox under test and the things every test does with one."""

    sandbox: DockerSandbox
    client: Any
    folder: Path
    built: dict[str, BuiltEntry]

    def entry(self, *, build: str = "#!/bin/sh\ntrue\n", evaluate: str = PUPPET) -> Path:
        """A new entry's folder."""
        folder = self.folder / f"entry-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        for name, text in (("build.sh", build), ("evaluate.py", evaluate)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        return folder

    def build(
        self, files: Path, *, sandbox: DockerSandbox | None = None, sha256: str | None = None
    ) -> BuiltEntry:
        """The built entry; every folder is a submission of its own unless `sha256` says otherwise."""
        sha256 = sha256 or hashlib.sha256(str(files).encode()).hexdigest()
        built = (sandbox or self.sandbox).build(
            files, entry_sha256=sha256, grade_id=GRADE_ID, log=self.build_log, progress=Silent()
        )
        self.built[built.handle] = built
        return built

    @property
    def build_log(self) -> Path:
        return self.folder / "build.log"

    @property
    def run_log(self) -> Path:
        return self.folder / "run.log"

    def gate(self, program: str) -> Path:
        """A folder for /held_out that holds the puppet's program."""
        folder = self.folder / f"gate-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "program.py").write_text(program)
        return folder

    def play(self, built: BuiltEntry, program: str, *, patience_s: float = 60) -> tuple[str | None, str]:
        """How the program ended in the sandbox (None: it did not within `patience_s`), and what it wrote."""
        with self.sandbox.run(built, grade_id=GRADE_ID, gate=self.gate(program), log=self.run_log) as guest:
            ended = wait_for_the_end(guest, patience_s=patience_s)
        return ended, self.run_log.read_text()

    def containers(self) -> list[str]:
        """Names of this process's containers that the engine still knows."""
        from harness import owner
        from harness.sandbox.flags import OWNER_LABEL

        label = f"{OWNER_LABEL}={owner.this_process()}"
        return [
            container.name for container in self.client.containers.list(all=True, filters={"label": label})
        ]


def wait_for_the_end(guest: DockerGuest, *, patience_s: float) -> str | None:
    deadline = time.monotonic() + patience_s
    while (ended := guest.how_it_ended()) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return ended


@pytest.fixture(scope="session")
def built_volumes(docker_client: Any) -> Iterator[dict[str, BuiltEntry]]:
    """Every volume the tests made; removed at the end."""
    built: dict[str, BuiltEntry] = {}
    yield built
    for handle in built:
        volume.remove(docker_client, handle)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bench(
    policy: SandboxPolicy,
    docker_client: Any,
    built_volumes: dict[str, BuiltEntry],
    shared_cache: Path,
    tmp_path: Path,
) -> Bench:
    sandbox = DockerSandbox(policy=policy, cache=shared_cache)
    return Bench(sandbox=sandbox, client=docker_client, folder=tmp_path, built=built_volumes)


@pytest.fixture(scope="session")
def puppet(
    policy: SandboxPolicy,
    docker_client: Any,
    built_volumes: dict[str, BuiltEntry],
    shared_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> BuiltEntry:
    """A built entry that runs whatever program lies in /held_out."""
    bench = Bench(
        sandbox=DockerSandbox(policy=policy, cache=shared_cache),
        client=docker_client,
        folder=tmp_path_factory.mktemp("puppet"),
        built=built_volumes,
    )
    return bench.build(bench.entry())


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """The text of one of the programs that run inside containers."""
    return lambda name: (PROGRAMS / f"{name}.py").read_text()
