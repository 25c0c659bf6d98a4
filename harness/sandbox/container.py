"""The Docker sandbox: entries are built and run in containers that have nothing they do not need."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import scratch
from harness.disk.places import cache_folder
from harness.errors import SandboxFailed
from harness.progress import Progress
from harness.sandbox import built as builds
from harness.sandbox import (
    cgroup,
    clean,
    contents,
    disk_image,
    engine,
    flags,
    gpu,
    guest_module,
    inspection,
    lifecycle,
    outputs,
    outside,
    page_cache,
    runtime,
    volume,
)
from harness.sandbox.build import build_entry
from harness.sandbox.contract import NOT_RUN, BuiltEntry, BuiltFile, Outputs
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.run import Run
from harness.sandbox.turn import Turn
from harness.sandbox.workshop import Workshop

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_KILLED_STATUS = 128
_NOTHING_BUILT = "nothing was built"
_INSPECTED = "inspected: mounts, rights, network and environment are those of the allow-list"
_NOT_INSPECTED = f"not inspected: {NOT_RUN}"
_NOT_DROPPED = f"not dropped: {NOT_RUN}"
_NOT_LOOKED_FOR = f"not looked for: {NOT_RUN}"
_NOT_FILTERED = "not applied: the runtime's own kernel answers, and was not told of our filter"
_NOT_CHECKED = "not checked: the engine's control groups are not visible here"


@dataclass(frozen=True, kw_only=True)
class DockerGuest:
    """A container that runs `./evaluate.py`."""

    container: Container

    def how_it_ended(self) -> str | None:
        """In words; None while it runs. For a message only: a grade is judged by what came through the gate."""
        from docker.errors import NotFound

        try:
            self.container.reload()
        except NotFound:
            return "was removed from outside"
        state = self.container.attrs["State"]
        if state["Running"]:
            return None
        if state["OOMKilled"]:
            return "killed: out of memory"
        status = state["ExitCode"]
        if status == _KILLED_STATUS + signal.SIGKILL:
            return "killed by signal 9, from outside or by itself"
        if status > _KILLED_STATUS:
            return f"killed by signal {status - _KILLED_STATUS}"
        return f"exited with status {status}"


class DockerSandbox:
    """Builds and runs entries on this machine's Docker engine."""

    name = "docker"

    def __init__(
        self,
        *,
        base_image: str | None = None,
        policy: SandboxPolicy | None = None,
        cache: Path | None = None,
    ) -> None:
        """Ask the engine what it is; what killed harnesses left on it is removed.

        Raises: SandboxUnavailable without an engine, the right to use it, the base image, or a GPU that is asked for.
        """
        policy = policy or SandboxPolicy()
        self.policy = replace(policy, base_image=base_image) if base_image else policy
        self._cache = cache or cache_folder()
        self._claims = builds.Claims()
        self._build_network = self._build_volume = _NOTHING_BUILT
        self._turn = Turn(self._cache)
        self._page_cache_is_dropped = True
        self._cgroups_are_visible = True
        self._is_inspected = self._has_run = False
        with engine.connected() as client:
            self.facts = engine.describe(client, base_image=self.policy.base_image)
            self._page_cache_is_dropped &= lifecycle.remove_leftovers(client)
            self.runtime = runtime.chosen(client, self.facts, self.policy)
            gpu.seen(client, self.facts, self.policy)
        scratch.remove_leftovers()

    @property
    def details(self) -> dict[str, str]:
        """What the grade's provenance records about isolation beside the policy; final once every run is over."""
        facts = self.facts
        return {
            "engine": f"docker {facts.version}",
            "runtime_arguments": " ".join(self.runtime.arguments),
            "base_image": facts.base_name,
            "base_image_digest": facts.base_id,
            "build_network": self._build_network,
            "build_volume": self._build_volume,
            "page_cache": self._page_cache,
            "container": _INSPECTED if self._is_inspected else _NOT_INSPECTED,
            "survivors": self._survivors,
        }

    @property
    def _page_cache(self) -> str:
        if not self._has_run:
            return _NOT_DROPPED
        return "dropped" if self._page_cache_is_dropped else "not dropped"

    @property
    def _survivors(self) -> str:
        if not self._has_run:
            return _NOT_LOOKED_FOR
        return "checked" if self._cgroups_are_visible else _NOT_CHECKED

    @property
    def in_force(self) -> dict[str, Any]:
        """The policy as every container gets it."""
        policy = flags.in_force(self.policy, self.facts)
        return policy if self.runtime.filters_calls else {**policy, "seccomp_sha256": _NOT_FILTERED}

    def build(
        self, files: Path, *, entry_sha256: str, grade_id: str, log: Path, progress: Progress
    ) -> BuiltEntry:
        """Run `./build.sh` over a copy of `files` in a volume, once per entry and base image.

        Raises: BuildFailed, SandboxUnavailable, SandboxFailed.
        """
        self._turn.share()
        with engine.connected() as client:
            return build_entry(
                Workshop(client=client, engine=self.facts, policy=self.policy, grade=grade_id),
                files,
                entry_sha256=entry_sha256,
                cache=self._cache,
                claims=self._claims,
                log=log,
                progress=progress,
                note_cap=self._note_cap,
                note_network=self._note_network,
            )

    @contextmanager
    def run(self, built: BuiltEntry, *, grade_id: str, gate: Path, log: Path) -> Iterator[DockerGuest]:
        """Start `./evaluate.py --val_data_dir /held_out` detached; on exit nothing of it is left alive.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        self._turn.share()
        with self._running(built, grade_id=grade_id, gate=gate, saves_in=None, log=log) as guest:
            yield guest

    @contextmanager
    def outputs(self, *, grade_id: str, max_bytes: int) -> Iterator[Outputs]:
        """A volume that is watched while the context lasts.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        with engine.connected() as client:
            shop = Workshop(client=client, engine=self.facts, policy=self.policy, grade=grade_id)
            with outputs.in_volume(shop, max_bytes=max_bytes, cache=self._cache) as place:
                yield place

    @contextmanager
    def run_openly(
        self, built: BuiltEntry, *, grade_id: str, data: Path, outputs: Outputs | None, log: Path
    ) -> Iterator[DockerGuest]:
        """As `run`, with the clip's own folder at /held_out, alone on this machine.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        saves_in = outputs.where if outputs else None
        with (
            self._turn.alone(),
            self._running(built, grade_id=grade_id, gate=data, saves_in=saves_in, log=log) as guest,
        ):
            yield guest

    @contextmanager
    def _running(
        self, built: BuiltEntry, *, grade_id: str, gate: Path, saves_in: str | None, log: Path
    ) -> Iterator[DockerGuest]:
        with engine.connected() as client, scratch.folder("guest") as folder:
            _check_exists(client, built)
            guest_module.put(folder)
            asked = self._asked(built, gate=gate, guest_folder=folder, saves_in=saves_in)
            try:
                with (
                    disk_image.at_hand(client, built.handle),
                    lifecycle.container(
                        client,
                        asked.settings(grade=grade_id),
                        purpose="run",
                        log=log,
                        log_bytes=self.policy.log_bytes,
                    ) as container,
                ):
                    inspection.check(container, asked.allowed(runtime=self.runtime.name))
                    self._is_inspected = True
                    container.start()
                    self._has_run = True
                    self._note_visibility(container)
                    with outside.excused(client, container):
                        yield DockerGuest(container=container)
            finally:
                self._page_cache_is_dropped &= page_cache.drop()

    @contextmanager
    def files(self, built: BuiltEntry, *, grade_id: str) -> Iterator[Iterator[BuiltFile]]:
        """Every regular file of the entry, sent by a program of ours in a container without a network.

        Raises: SandboxUnavailable, SandboxFailed, on entry and while the files are read.
        """
        with engine.connected() as client:
            _check_exists(client, built)
            shop = Workshop(client=client, engine=self.facts, policy=self.policy, grade=grade_id)
            with contents.of_volume(shop, built.handle) as files:
                yield files

    def discard_builds(self) -> None:
        """Remove every volume and record of this sandbox's cache.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        self._claims.release()
        clean.clean_docker(self._cache, unused_s=0)

    def _asked(self, built: BuiltEntry, *, gate: Path, guest_folder: Path, saves_in: str | None) -> Run:
        return Run(
            volume=built.handle,
            gate=gate,
            guest_folder=guest_folder,
            saves_in=saves_in,
            policy=self.policy,
            engine=self.facts,
        )

    def _note_cap(self, size_cap: str) -> None:
        self._build_volume = size_cap

    def _note_network(self, network: str) -> None:
        self._build_network = network

    def _note_visibility(self, container: Container) -> None:
        if not cgroup.folders(container.id):
            container.reload()
            if container.attrs["State"]["Running"]:
                self._cgroups_are_visible = False


def _check_exists(client: DockerClient, built: BuiltEntry) -> None:
    if not volume.exists(client, built.handle):
        raise SandboxFailed(
            f"the built entry {built.handle} is gone from the engine",
            fix="grade again: it will be built again",
            code="sandbox.entry_gone",
        )
