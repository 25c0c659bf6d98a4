"""An entry's `./build.sh`, run once in a container of its own; the folder it leaves is frozen and found again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.disk.digests import file_sha256
from harness.errors import BuildFailed
from harness.progress import Progress
from harness.sandbox import (
    allotment,
    build_script,
    contents,
    inventory_file,
    logs,
    network,
    runtime,
    traffic,
    volume,
)
from harness.sandbox import built as builds
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.network import BuildNetwork
from harness.sandbox.source import Sent
from harness.sandbox.supply import Supply, Traffic
from harness.sandbox.workshop import Workshop


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
        inventory_file.writing_down(job.inventory, sent) as listed,
    ):
        for line in lines:
            if "path" in line:
                listed.tell(line)
            else:
                answer = line
        volume.check(answer, job.shop.policy)
        return answer["measured"], listed.close(answer["installed"])


def _run_build_script(job: _Job, connection: BuildNetwork) -> tuple[float, Traffic]:
    """How long it took, and what it moved over the network."""
    with traffic.line(job.shop, connection) as line:
        with line.blameless():
            build_seconds = build_script.run(job.shop, job.volume, line, log=job.log)
        return build_seconds, line.traffic()
