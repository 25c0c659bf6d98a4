"""An entry's `./build.sh`, run once in a container of its own; the folder it leaves is frozen and found again."""

from __future__ import annotations

import hashlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.digests import file_sha256
from harness.errors import BuildFailed, SandboxFailed
from harness.progress import Progress
from harness.sandbox import (
    allotment,
    contents,
    disk_image,
    failures,
    flags,
    ledger,
    lifecycle,
    logs,
    network,
    outside,
    runtime,
    traffic,
    tree,
    volume,
)
from harness.sandbox import built as builds
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.network import BuildNetwork
from harness.sandbox.source import Sent
from harness.sandbox.supply import Supply, Traffic
from harness.sandbox.volume import Watch, Workshop

if TYPE_CHECKING:
    from docker.models.containers import Container

_POLL_S = 0.1
_CUT_SHORT = 128 + signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One entry to build: its volume, and where the record of the finished build is kept."""

    shop: Workshop
    files: Path
    entry_sha256: str
    volume: str
    record: Path
    log: Path
    progress: Progress
    note_cap: Callable[[str], None]
    note_network: Callable[[str], None]

    @property
    def inventory(self) -> Path:
        return builds.inventory(self.record)


def build_entry(
    shop: Workshop,
    files: Path,
    *,
    entry_sha256: str,
    cache: Path,
    claims: builds.Claims,
    log: Path,
    progress: Progress,
    note_cap: Callable[[str], None],
    note_network: Callable[[str], None],
) -> BuiltEntry:
    """The built entry, from an earlier build if its volume still holds exactly what was recorded.

    `note_cap` is told what bounded the size of it and `note_network` what build.sh could reach, also where it fails.

    Raises: BuildFailed, SandboxFailed.
    """
    name = _volume_name(shop, entry_sha256, cache)
    job = _Job(
        shop=shop,
        files=files,
        entry_sha256=entry_sha256,
        volume=name,
        record=cache / "docker" / f"{name}.json",
        log=log,
        progress=progress,
        note_cap=note_cap,
        note_network=note_network,
    )
    with builds.locked(job.record):
        claims.add(job.record)
        built = _find(job)
        if built is None:
            built = _build(job)
            try:
                with builds.writing(cache):
                    shutil.copyfile(log, job.record.with_suffix(".log"))
                builds.write(job.record, built)
            except BaseException:  # without a record nobody finds it again
                volume.remove(shop.client, name)
                raise
        builds.mark_used(job.record)
        return built


def _volume_name(shop: Workshop, entry_sha256: str, cache: Path) -> str:
    """One per entry, base image and cache: a cache that is thrown away takes no other's volume along."""
    base = shop.engine.base_id.removeprefix("sha256:")
    place = hashlib.sha256(str(cache.resolve()).encode()).hexdigest()
    return f"wmc-{entry_sha256[:12]}-{base[:12]}-{place[:8]}"


def _find(job: _Job) -> BuiltEntry | None:
    built = builds.read(job.record, entry_sha256=job.entry_sha256)
    if built is None or built.base_image != job.shop.engine.base_id:
        return None
    if not volume.exists(job.shop.client, job.volume):
        return None
    with job.progress.step("checking the entry built before"):
        try:
            found = volume.measure(job.shop, job.volume)
        except BuildFailed:
            return None
    if found.tree_sha256 != built.tree_sha256:
        return None
    job.note_cap(built.size_cap)
    job.note_network(built.network)
    logs.copy(job.record.with_suffix(".log"), job.log)
    return built


def _build(job: _Job) -> BuiltEntry:
    builds.forget(job.record)
    try:
        with job.progress.step("copying the entry into its volume"):
            size_cap, sent = allotment.create_filled(
                job.shop, job.volume, job.files, entry_sha256=job.entry_sha256, record=job.record
            )
        job.note_cap(size_cap)
        connection = _connection(job.shop)
        job.note_network(connection.description)
        if connection.warning:
            job.progress.note(connection.warning)
        with job.progress.step("running ./build.sh"):
            build_seconds, moved = _run_build_script(job, connection)
        with job.progress.step("hashing what was built"):
            volume.settle(job.shop, job.volume)
            measured, supply = _take_stock(job, sent)
        allotment.freeze(job.shop, job.volume)
    except BaseException:
        volume.remove(job.shop.client, job.volume)
        raise
    return BuiltEntry(
        handle=job.volume,
        entry_sha256=job.entry_sha256,
        **measured,
        base_image=job.shop.engine.base_id,
        build_seconds=build_seconds,
        network=connection.description,
        size_cap=size_cap,
        supply=replace(supply, traffic=moved),
        inventory=str(job.inventory),
        inventory_sha256=file_sha256(job.inventory),
    )


def _connection(shop: Workshop) -> BuildNetwork:
    if runtime.has_network(shop.engine, shop.policy):
        return network.build_network(shop.client, shop.policy)
    return network.NONE_BY_RUNTIME


def _take_stock(job: _Job, sent: dict[str, Sent]) -> tuple[dict[str, Any], Supply]:
    """The measure of the volume, and what build.sh made of it; every file is in the inventory."""
    answer: dict[str, Any] = {}
    with (
        contents.inventory_of_volume(job.shop, job.volume) as lines,
        builds.writing(job.inventory.parent),
        ledger.writing_down(job.inventory, sent) as book,
    ):
        for line in lines:
            if "path" in line:
                book.tell(line)
            else:
                answer = line
        volume.check(answer, job.shop.policy)
        return answer["measured"], book.close(answer["installed"])


def _run_build_script(job: _Job, connection: BuildNetwork) -> tuple[float, Traffic]:
    """How long it took, and what it moved over the network."""
    with traffic.line(job.shop, connection) as line:
        with line.blameless():
            build_seconds = _run_connected(job, line)
        return build_seconds, line.traffic()


@dataclass(frozen=True, kw_only=True)
class _Ran:
    """How build.sh ended.

    Attributes:
        status: its own, or as if it had been killed where it was still running: of such a one the engine says 0.
        killed_at_bytes: the memory beyond which the kernel killed something of it; None where it did not.
        excuse: what happened to the container from outside, which no entry is blamed for.
    """

    seconds: float
    status: int
    was_late: bool
    killed_at_bytes: int | None
    excuse: SandboxFailed | None


def _run_connected(job: _Job, line: traffic.Line) -> float:
    """How long build.sh took. Raises: BuildFailed, SandboxFailed."""
    with volume.watched(job.shop, job.volume) as watch:
        ran = _ran(job, _settings(job, line), watch)
        watch.check()
    _check(job, ran)
    return ran.seconds


def _settings(job: _Job, line: traffic.Line) -> dict[str, Any]:
    """What the engine is asked for."""
    policy = job.shop.policy
    return {
        **flags.hardened(policy, policy.build, job.shop.engine, grade=job.shop.grade),
        **flags.runtime(policy),
        **line.settings,
        "mounts": [flags.entry_mount(job.volume, read_only=False)],
        "working_dir": flags.ENTRY_FOLDER,
        "entrypoint": ["./build.sh"],
        # /tmp is memory: what pip would keep there for a second build is of no use to anybody.
        "environment": {
            "HOME": flags.HOME_FOLDER,
            "LANG": "C.UTF-8",
            "PIP_NO_CACHE_DIR": "1",
            # Compiled Python then goes by the source's hash: its time will be another one.
            "SOURCE_DATE_EPOCH": str(tree.EPOCH_S),
        },
    }


def _ran(job: _Job, settings: dict[str, Any], watch: Watch) -> _Ran:
    """Run it to its end, its time limit or a cap of its volume, whichever comes first; its container is gone then."""
    client, policy = job.shop.client, job.shop.policy
    with (
        disk_image.at_hand(client, job.volume),
        lifecycle.container(
            client, settings, purpose="build", log=job.log, log_bytes=policy.log_bytes
        ) as script,
        outside.watched(client, script) as witness,
    ):
        started = time.monotonic()
        script.start()
        with _following(script, job.log, limit=policy.log_bytes):
            was_late = _wait(script, watch, timeout_s=policy.build_timeout_s)
        seconds = time.monotonic() - started
        state = script.attrs["State"]
        return _Ran(
            seconds=seconds,
            status=_CUT_SHORT if state["Running"] else state["ExitCode"],
            was_late=was_late,
            killed_at_bytes=settings["mem_limit"] if state["OOMKilled"] else None,
            excuse=witness.excuse(),
        )


def _check(job: _Job, ran: _Ran) -> None:
    """Nothing, if build.sh ended well. Raises: BuildFailed; SandboxFailed where somebody else is to blame."""
    failure = failures.of_script(
        status=ran.status,
        killed_at_bytes=ran.killed_at_bytes,
        was_late=ran.was_late,
        log=job.log,
        policy=job.shop.policy,
    )
    if failure is None:
        return
    if ran.excuse is not None:
        raise ran.excuse
    volume.look(job.shop, job.volume)  # it may have failed of a full disk, between two looks
    raise failure


def _wait(script: Container, watch: Watch, *, timeout_s: float) -> bool:
    """True when time ran out; returns too when the script ended or the volume is over a cap."""
    deadline = time.monotonic() + timeout_s
    while True:
        is_content = watch.is_content()  # also when the script has just ended, perhaps of what is seen here
        script.reload()
        if not (is_content and script.attrs["State"]["Running"]):
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(_POLL_S)


@contextmanager
def _following(script: Container, log: Path, *, limit: int) -> Iterator[None]:
    """Meanwhile `log` grows as the script writes, up to `limit`; the final log replaces it at the script's end."""
    stream = script.logs(stream=True, follow=True)
    thread = threading.Thread(target=_copy, args=(stream, log, limit), daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(OSError):
            stream.close()
        thread.join(timeout=5)


def _copy(stream: Any, log: Path, limit: int) -> None:
    import requests
    import urllib3

    # A broken stream, or a full disk, only means that the log stops growing until the script has ended.
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        logs.save(stream, log, limit=limit)
