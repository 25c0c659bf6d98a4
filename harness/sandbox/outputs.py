"""Where a program of the open protocol saves its outputs: capped, thrown away, and never walked by the host."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness import undo
from harness.disk import scratch
from harness.errors import BuildFailed, GuestFailed
from harness.sandbox import allotment, contents, disk_image, tree, volume
from harness.sandbox.contract import BuiltFile
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.volume import Watch
from harness.sandbox.workshop import Workshop

_MOST_FILES = 1000
_NOBODYS = ""


@dataclass(frozen=True, kw_only=True)
class VolumeOutputs:
    """A volume of the engine, watched by a container of ours, and later read by another one."""

    shop: Workshop
    where: str
    watch: Watch

    def check(self) -> None:
        """Nothing while it is within its caps.

        Raises: GuestFailed; SandboxFailed where it is the host's disk that is full.
        """
        with _as_saved():
            self.watch.check()

    @contextmanager
    def files(self) -> Iterator[Iterator[BuiltFile]]:
        """Every regular file, once nothing writes to it any more.

        Raises: GuestFailed where it is beyond its caps; SandboxFailed, also while the files are read.
        """
        with _as_saved():
            volume.look(self.shop, self.where)  # at what was written after the last one
        with contents.of_volume(self.shop, self.where) as files:
            yield files


@dataclass(frozen=True, kw_only=True)
class FolderOutputs:
    """A folder of the host's own, for the process sandbox."""

    where: str
    policy: SandboxPolicy

    def check(self) -> None:
        """Nothing while it is within its caps. Raises: GuestFailed."""
        if Path(self.where).is_symlink() or not Path(self.where).is_dir():
            raise refused("it is no folder any more")
        try:
            for _ in tree.contents(self.where, **_caps(self.policy)):
                break
        except tree.TreeRefused as error:
            raise refused(error.message) from error

    @contextmanager
    def files(self) -> Iterator[Iterator[BuiltFile]]:
        """Every regular file; links are not followed. Raises: GuestFailed; SandboxFailed."""
        self.check()
        yield contents.of_folder(Path(self.where), self.policy)


@contextmanager
def in_volume(shop: Workshop, *, max_bytes: int, cache: Path) -> Iterator[VolumeOutputs]:
    """An empty volume that the entry's user owns and that cannot grow where this host allows it; gone afterwards.

    Raises: SandboxFailed.
    """
    name = f"wmc-outputs-{uuid.uuid4().hex[:12]}"
    shop = replace(shop, policy=_capped(shop.policy, max_bytes))
    record = cache / "docker" / f"{name}.json"  # never written: of a killed harness it is an orphan
    try:
        with scratch.folder("nothing") as nothing:
            allotment.create_filled(shop, name, nothing, entry_sha256=_NOBODYS, record=record)
        with disk_image.at_hand(shop.client, name), volume.watched(shop, name) as watch:
            yield VolumeOutputs(shop=shop, where=name, watch=watch)
    finally:
        undo.surely(partial(volume.remove, shop.client, name))


@contextmanager
def in_folder(policy: SandboxPolicy, *, max_bytes: int) -> Iterator[FolderOutputs]:
    """An empty folder; it is gone when the context ends, whatever was made of it."""
    with scratch.folder("outputs") as around:
        (around / "outputs").mkdir()
        yield FolderOutputs(where=str(around / "outputs"), policy=_capped(policy, max_bytes))


def refused(why: str) -> GuestFailed:
    """What a program is told whose outputs nobody can take."""
    return GuestFailed(
        f"the folder of saved outputs was refused: {why}",
        code="open.outputs",
        fix="save what 1X's script saves, and nothing else",
    )


def _capped(policy: SandboxPolicy, max_bytes: int) -> SandboxPolicy:
    return replace(policy, entry_bytes=max_bytes, entry_files=_MOST_FILES)


def _caps(policy: SandboxPolicy) -> dict[str, int]:
    return {"max_bytes": policy.entry_bytes, "max_files": policy.entry_files}


@contextmanager
def _as_saved() -> Iterator[None]:
    """What is refused is what was saved, not what was built."""
    try:
        yield
    except BuildFailed as error:
        raise refused(error.message.partition(": ")[2] or error.message) from error
