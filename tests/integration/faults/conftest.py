"""A Docker engine of the tests' own, to be killed and stopped; grades that something goes wrong in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.sandbox import network
from harness.sandbox.container import DockerSandbox
from harness.sandbox.contract import Sandbox
from harness.sandbox.network import BuildNetwork
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.process import ProcessSandbox

ROOT = Path(__file__).parents[3]
REGIME = Regime.TEMPORALLY_TEACHER_FORCED
LIMITS = Limits(start_s=60, reply_s=30, regime_s=120)
_PATIENCE_S = 60


class OwnEngine:
    """A second dockerd: its data, its sockets and its containerd are all below one folder, and it routes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It answers when this returns."""
        # An engine that was killed leaves numbers, and takes a process that nobody buried yet for a living one.
        for left in ("pid", "exec/containerd/containerd.pid"):
            (self.folder / left).unlink(missing_ok=True)
        command = [
            # In a network namespace of its own: an engine that starts without a bridge removes the machine's docker0.
            *("unshare", "--net"),
            *("dockerd", "--host", self.address, "--data-root", f"{self.folder}/data"),
            *("--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid"),
            *("--config-file", f"{self.folder}/daemon.json", "--bridge=none", "--iptables=false"),
            # Where the machine's engine shares its containerd, the names in it are to be others.
            *("--containerd-namespace", "wmc-faults", "--containerd-plugins-namespace", "wmc-faults-plugins"),
        ]
        (self.folder / "daemon.json").write_text("{}")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._wait()

    def kill(self) -> None:
        """kill -9: containers run on, as they do when a real one crashes."""
        self._process.kill()
        self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile it takes calls and answers none."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """It and all of its containers are gone."""
        if self._process.poll() is not None:
            self.start()
        for container in self.run("ps", "--all", "--quiet").split():
            self.run("rm", "--force", container)
        self.kill()  # asked politely it takes a quarter of a minute
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.folder / "exec/containerd/containerd.pid").read_text()), signal.SIGKILL)

    def run(self, *arguments: str, **named: Any) -> str:
        """What `docker ...` on this engine writes."""
        command = ["docker", "--host", self.address, *arguments]
        return subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, timeout=30, **named
        ).stdout

    def left(self) -> list[str]:
        """Names of the containers it knows, running or not."""
        return self.run("ps", "--all", "--format", "{{.Names}}").split()

    def running(self) -> list[str]:
        """Names of those that run."""
        return self.run("ps", "--format", "{{.Names}}").split()

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        command = ["docker", "--host", self.address, "version"]
        while subprocess.run(command, capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.1)


@pytest.fixture(scope="session")
def own_engine(base_image: str) -> Iterator[OwnEngine]:
    """The engine, with the test base image; nothing of it is left when the tests are over."""
    folder = Path(tempfile.mkdtemp(prefix="wf-", dir="/tmp"))  # short: sockets lie in it
    engine = OwnEngine(folder)
    try:
        engine.start()
        with subprocess.Popen(["docker", "save", base_image], stdout=subprocess.PIPE) as image:
            engine.run("load", stdin=image.stdout)
        yield engine
    finally:
        engine.end()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(folder)


class Saboteur(Silent):
    """Does something once, as a step with this title begins; of a step that counts, when a few things are done."""

    def __init__(self, when: str, deed: Callable[[], object]) -> None:
        self._when = when
        self._deed = deed
        self._to_come = 3

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Callable[..., None]]:
        """A step; `total` says that it counts."""
        is_it = title == self._when
        if is_it and total is None:
            self._deed()

        def advance(_amount: int = 1, /, *, status: str = "") -> None:
            self._to_come -= is_it
            if is_it and self._to_come == 0:
                self._deed()

        yield advance


@dataclass(frozen=True, kw_only=True)
class Grader:
    """Grades the template, with small limits, on an engine of its own and in a store of its own."""

    folder: Path
    clip: Path
    policy: SandboxPolicy
    entry: Path
    limits: Limits = LIMITS
    sandbox: Callable[..., Sandbox] = DockerSandbox

    def with_build(self, script: str) -> Grader:
        """The same, of an entry with another build.sh."""
        return self._changed("build.sh", f"#!/bin/sh\n{script}")

    def with_evaluate(self, program: str) -> Grader:
        """The same, of an entry with another evaluate.py."""
        return self._changed("evaluate.py", f"#!/usr/bin/env python3\n{program}")

    def _changed(self, name: str, text: str) -> Grader:
        files = shutil.copytree(ROOT / "submissions_template", self.folder / "changed")
        (files / name).write_text(text)
        return replace(self, entry=pack(files, self.folder / "changed.zip").path)

    def grade(self, progress: Any = None, **changed: Any) -> GradeReport:
        """One regime of a small clip."""
        store, cache = (changed.pop(name, self.folder / name) for name in ("store", "cache"))
        request = GradeRequest(
            submission=self.entry,
            data=self.clip,
            regimes=(REGIME,),
            limits=self.limits,
            pictures=False,
            lpips_weights=self.folder,
        )
        sandbox = self.sandbox(policy=self.policy, cache=cache)
        return grade(request, sandbox=sandbox, store=Store(store), progress=progress or Silent())


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four windows of random tokens."""
    folder, frames = tmp_path_factory.mktemp("faults") / "val", 4 * 226
    rng = np.random.default_rng(0)
    write_clip(
        folder,
        tokens_NHW=np.repeat(rng.integers(1 << 18, size=(frames // 20 + 1, 16, 16), dtype=np.uint32), 20, 0)[
            :frames
        ],
        segment_ids_N=np.repeat(np.arange(4), 226).astype(np.int32),
        actions={name: np.zeros((frames, width), np.float32) for name, width in ACTION_WIDTHS.items()},
        tokenizer_ckpt="none",
    )
    return folder


@pytest.fixture
def own_grader(small_clip: Path, policy: SandboxPolicy, tmp_path: Path) -> Grader:
    """Grades without an engine: an entry of our own, in the process sandbox."""
    entry = pack(ROOT / "submissions_template", tmp_path / "entry.zip").path
    return Grader(folder=tmp_path, clip=small_clip, policy=policy, entry=entry, sandbox=ProcessSandbox)


@pytest.fixture
def grader(
    own_engine: OwnEngine,
    small_clip: Path,
    policy: SandboxPolicy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Grader:
    """Grades on the tests' own engine; its build.sh has no network, for that engine has none."""
    monkeypatch.setenv("DOCKER_HOST", own_engine.address)
    offline = BuildNetwork(settings={"network_mode": "none"}, description="none")
    monkeypatch.setattr(network, "build_network", lambda *_: offline)
    entry = pack(ROOT / "submissions_template", tmp_path / "entry.zip").path
    return Grader(folder=tmp_path, clip=small_clip, policy=policy, entry=entry)


@pytest.fixture
def saboteur() -> Callable[[str, Callable[[], object]], Saboteur]:
    """Does a deed in the middle of a step."""
    return Saboteur
