"""The whole checkup, in the order in which a grade needs things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.doctor.check import Check, told
from harness.doctor.data import data_checks
from harness.doctor.disks import disk_checks
from harness.doctor.docker_engine import engine_checks
from harness.doctor.leftovers import leftovers_on_engine, leftovers_on_machine
from harness.doctor.machine import machine_checks
from harness.doctor.records import record_checks
from harness.errors import DependencyMissing, SandboxFailed, SandboxUnavailable
from harness.progress import Progress
from harness.results.store import Store
from harness.sandbox import engine
from harness.sandbox.policy import SandboxPolicy

_ANSWER_TIMEOUT_S = 20.0
"""A checkup is waited for: an engine this slow is no engine to grade on."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be looked at besides the machine.

    Attributes:
        store: where records are kept; it need not exist.
        data: clips to grade on.
        train: the clip that entries learn from.
        policy: its base image, GPUs and limits are what the machine is held against.
        is_cleaning: remove leftovers rather than report them.
    """

    store: Path
    data: tuple[Path, ...] = ()
    train: Path | None = None
    policy: SandboxPolicy
    is_cleaning: bool = False


def checkup(
    wanted: Wanted, *, progress: Progress, answer_timeout_s: float = _ANSWER_TIMEOUT_S
) -> Iterator[Check]:
    """Every check, one after the other; nothing is changed but leftovers, and those only when cleaning."""
    store = Store(wanted.store)
    yield from machine_checks(gpu_device_ids=wanted.policy.gpu_device_ids)
    yield from disk_checks(wanted.store, wanted.policy)
    yield from _engine_and_leftovers(wanted, answer_timeout_s)
    yield from data_checks(wanted.data, wanted.train, store, progress=progress)
    yield from record_checks(store)


def _engine_and_leftovers(wanted: Wanted, answer_timeout_s: float) -> Iterator[Check]:
    """Containers come before folders: a folder is shown to nobody once they are gone."""
    try:
        with engine.connected(timeout_s=answer_timeout_s) as client:
            yield from engine_checks(client, wanted.policy)
            yield from leftovers_on_engine(client, is_cleaning=wanted.is_cleaning)
    except (SandboxUnavailable, SandboxFailed, DependencyMissing) as error:
        yield told("engine", error)
    yield from leftovers_on_machine(is_cleaning=wanted.is_cleaning)
