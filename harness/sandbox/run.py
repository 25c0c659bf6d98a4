"""One run of an entry: the container that is asked for, and what an inspection must then find."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.sandbox import flags, gpu
from harness.sandbox.engine import Engine
from harness.sandbox.inspection import Allowed
from harness.sandbox.policy import SandboxPolicy

_ENVIRONMENT = {
    "HOME": flags.HOME_FOLDER,
    "LANG": "C.UTF-8",
    "PYTHONPATH": flags.GUEST_FOLDER,
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What an entry is run with.

    Attributes:
        volume: of the built entry.
        gate: the folder at /held_out: the gate's, or the clip's own in the open protocol.
        guest_folder: holds wmc_guest.py.
        saves_in: the volume that a program of the open protocol saves to; None where it saves nothing.
    """

    volume: str
    gate: Path
    guest_folder: Path
    saves_in: str | None
    policy: SandboxPolicy
    engine: Engine

    def settings(self, *, grade: str) -> dict[str, Any]:
        """Of the container, for the engine."""
        policy = self.policy
        return {
            **flags.hardened(policy, policy.run, self.engine, grade=grade),
            **flags.offline(),
            **flags.runtime(policy),
            "mounts": [
                flags.entry_mount(self.volume, read_only=True),
                flags.folder_mount(str(self.gate.resolve()), flags.GATE_FOLDER),
                flags.folder_mount(str(self.guest_folder), flags.GUEST_FOLDER),
                *([flags.outputs_mount(self.saves_in)] if self.saves_in else []),
            ],
            "working_dir": flags.ENTRY_FOLDER,
            "entrypoint": ["./evaluate.py"],
            "command": [
                *("--val_data_dir", flags.GATE_FOLDER),
                *(("--save_outputs_dir", flags.OUTPUTS_FOLDER) if self.saves_in else ()),
            ],
            "environment": _ENVIRONMENT,
            **gpu.requested(policy),
        }

    def allowed(self, *, runtime: str) -> Allowed:
        """What the container may have, and nothing beside it."""
        policy = self.policy
        return Allowed(
            user=f"{policy.uid}:{policy.uid}",
            image=self.engine.base_id,
            mounts={
                flags.ENTRY_FOLDER: self.volume,
                flags.GATE_FOLDER: str(self.gate.resolve()),
                flags.GUEST_FOLDER: str(self.guest_folder),
            },
            tmpfs=frozenset({flags.HOME_FOLDER}),
            environment=_ENVIRONMENT,
            memory_bytes=flags.effective_memory_bytes(policy.run, self.engine),
            pids=policy.run.pids,
            gpus=policy.gpu_device_ids,
            runtime=runtime,
            writable={flags.OUTPUTS_FOLDER: self.saves_in} if self.saves_in else {},
        )
