"""The room an entry is given: a volume that cannot grow where this host allows it, else one that is watched."""

from __future__ import annotations

from pathlib import Path

from harness import owner
from harness.sandbox import disk_image, failures, flags, volume
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.source import Sent
from harness.sandbox.workshop import Workshop

_CANNOT_MOUNT = "failed to mount local volume"  # in the engine's words


def create_filled(
    shop: Workshop, name: str, files: Path, *, entry_sha256: str, record: Path
) -> tuple[str, dict[str, Sent]]:
    """What bounds the new volume, in words, and what was put into it: `files`, and nothing else.

    One of that name is removed first.

    Raises: BuildFailed when `files` are more than is allowed; SandboxFailed.
    """
    from docker.errors import APIError

    labels = {
        flags.GRADE_LABEL: shop.grade,
        flags.OWNER_LABEL: owner.this_process(),
        flags.ENTRY_LABEL: entry_sha256,
        flags.RECORD_LABEL: str(record),
    }
    try:
        volume.remove(shop.client, name)
        return _filled(shop, name, files, labels)
    except APIError as error:
        if failures.is_disk_full(
            error
        ):  # the engine's own, or a table of its kernel's: nothing of the entry's
            raise failures.refused("disk", str(error)[:300], shop.policy) from error
        raise


def _filled(shop: Workshop, name: str, files: Path, labels: dict[str, str]) -> tuple[str, dict[str, Sent]]:
    from docker.errors import APIError

    obstacle = disk_image.obstacle(shop.client)
    if obstacle is None:
        try:
            _create_image(shop, name, labels)
            sent = volume.fill(shop, name, files)
        except APIError as error:
            if failures.is_disk_full(error) or _CANNOT_MOUNT not in str(error):
                raise
            volume.remove(shop.client, name)
            obstacle = "the engine cannot mount a loop device of this host"
        else:
            return hard_cap(shop.policy), sent
    shop.client.volumes.create(name=name, driver="local", labels=labels)
    sent = volume.fill(shop, name, files)
    return soft_cap(shop.policy, why=obstacle), sent


def hard_cap(policy: SandboxPolicy) -> str:
    """What a record says of a volume that cannot grow."""
    return f"a hard cap: ext4 of {policy.entry_bytes:,} bytes on a loop device"


def soft_cap(policy: SandboxPolicy, *, why: str) -> str:
    """What a record says of a volume that is watched only, and why it is."""
    return f"{policy.entry_bytes:,} bytes, a soft cap: looked at while build.sh runs ({why})"


def freeze(shop: Workshop, name: str) -> None:
    """A volume that cannot grow cannot be written any more either. Nothing may run in it meanwhile."""
    found = shop.client.volumes.get(name)
    if not disk_image.is_image(name, found.attrs["Options"]):
        return
    found.remove(force=True)
    disk_image.freeze(disk_image.place(shop.client, name))
    _create_mounting(shop, name, found.attrs["Labels"], read_only=True)


def _create_image(shop: Workshop, name: str, labels: dict[str, str]) -> None:
    policy = shop.policy
    image = disk_image.place(shop.client, name)
    disk_image.make(image, size_bytes=policy.entry_bytes, num_files=policy.entry_files)
    volume.check_disk(image, policy)
    _create_mounting(shop, name, labels, read_only=False)


def _create_mounting(shop: Workshop, name: str, labels: dict[str, str], *, read_only: bool) -> None:
    options = disk_image.driver_options(name, read_only=read_only)
    shop.client.volumes.create(name=name, driver="local", driver_opts=options, labels=labels)
