"""What killed harnesses left on the engine and on this machine; of the living and of others nothing is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.disk import scratch
from harness.doctor.check import Check, warned, well
from harness.sandbox import clean, descendants, lifecycle

if TYPE_CHECKING:
    from docker import DockerClient

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One kind of leftover: how to find it, and how to remove all of it; both name what they mean."""

    name: str
    find: Callable[[], Sequence[str]]
    remove: Callable[[], object]


def leftovers_on_engine(client: DockerClient, *, is_cleaning: bool) -> Iterator[Check]:
    """Containers, and volumes whose build was never finished.

    Raises: SandboxFailed when a process outlives its container; what the client raises.
    """
    containers = _Kind(
        name="leftover containers",
        find=lambda: lifecycle.leftovers(client),
        remove=lambda: lifecycle.remove_leftovers(client),
    )
    volumes = _Kind(
        name="leftover volumes",
        find=lambda: clean.orphans(client),
        remove=lambda: clean.remove_orphans(client),
    )
    yield from _looked_at((containers, volumes), is_cleaning=is_cleaning)


def leftovers_on_machine(*, is_cleaning: bool) -> Iterator[Check]:
    """Processes of entries that ran without isolation, and temporary folders with the sockets in them."""
    processes = _Kind(name="leftover processes", find=_orphans, remove=descendants.kill_orphans)
    folders = _Kind(
        name="leftover folders",
        find=lambda: [str(folder) for folder in scratch.leftovers()],
        remove=scratch.remove_leftovers,
    )
    yield from _looked_at((processes, folders), is_cleaning=is_cleaning)


def _looked_at(kinds: Iterable[_Kind], *, is_cleaning: bool) -> Iterator[Check]:
    for kind in kinds:
        yield _cleaned(kind) if is_cleaning else _reported(kind)


def _orphans() -> list[str]:
    return [f"{pid} of {mark}" for mark, members in descendants.orphans().items() for pid in sorted(members)]


def _reported(kind: _Kind) -> Check:
    found = kind.find()
    return warned(kind.name, _named(found), "wmc doctor --clean") if found else well(kind.name, "none")


def _cleaned(kind: _Kind) -> Check:
    before = kind.find()
    kind.remove()
    left = kind.find()
    gone = [each for each in before if each not in left]
    if left:
        return warned(
            kind.name,
            f"cannot be removed: {_named(left)}",
            "see who uses them (docker ps -a, ps), then run it again as root",
        )
    return well(kind.name, f"removed {_named(gone)}" if gone else "none")


def _named(found: Sequence[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{len(found)}: {', '.join(found[:_SHOWN])}{more}"
