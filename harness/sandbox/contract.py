"""What a sandbox does for a grade: build an entry once, run it once per regime. Docker and process both keep it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.progress import Progress
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.supply import Supply

ENDED_WELL = "exited with status 0"
"""How a guest is said to have ended that ended as it should."""

NOT_RUN = "the entry was not run"
"""How a sandbox ends what it says of a control that it had nothing to apply to."""


@dataclass(frozen=True, kw_only=True)
class BuiltEntry:
    """An entry after its `build.sh`, frozen: the same bytes are reviewed, hashed and run.

    Attributes:
        handle: where the sandbox finds it again (a volume's name, a folder).
        entry_sha256: of the submission, as given to `build`.
        tree_sha256: over every path, mode and content below `/entry`.
        size_bytes, num_files: of that tree, what build.sh added included.
        base_image: digest of the image it was built from, None without one.
        build_seconds: of the run of build.sh that made it (kept when found again).
        network: what that run of build.sh could reach.
        size_cap: what kept it from growing meanwhile.
        supply: what that run made of the entry, and what came over the network.
        inventory: every file of the entry, and those that build.sh removed, as `harness.sandbox.inventory_file` writes
            them down: a file of this host that the sandbox keeps; `inventory_sha256` is its digest.
    """

    handle: str
    entry_sha256: str
    tree_sha256: str
    size_bytes: int
    num_files: int
    base_image: str | None
    build_seconds: float
    network: str
    size_cap: str
    supply: Supply
    inventory: str
    inventory_sha256: str


@dataclass(frozen=True, kw_only=True)
class BuiltFile:
    """A regular file of a built entry, while it is being read.

    Attributes:
        path: below the entry's folder. It is the entrant's own text, with surrogates for what is not UTF-8.
        size_bytes: how many bytes `chunks` give; of a sparse file the holes too.
        chunks: its content in order. What is left unread when the next file is asked for cannot be read any more.
    """

    path: str
    size_bytes: int
    chunks: Iterator[bytes]


class Guest(Protocol):
    """A running `evaluate.py`."""

    def how_it_ended(self) -> str | None:
        """In words ("exited with status 1", "killed: out of memory"); None while it runs."""
        ...


class Outputs(Protocol):
    """Where a program of the open protocol may save files while it runs."""

    @property
    def where(self) -> str:
        """Where the sandbox finds it again (a volume's name, a folder)."""
        ...

    def check(self) -> None:
        """Nothing while it is within its caps.

        Raises: GuestFailed; SandboxFailed where it is the host's disk that is full.
        """
        ...

    def files(self) -> AbstractContextManager[Iterator[BuiltFile]]:
        """Every regular file, once nothing runs that could write to it. Links are not followed.

        Raises: GuestFailed where it is beyond its caps; SandboxFailed, on entry and while the files are read.
        """
        ...


class Sandbox(Protocol):
    """Builds and runs entries."""

    @property
    def name(self) -> str:
        """`docker` or `process`, as the grade records it."""
        ...

    @property
    def policy(self) -> SandboxPolicy:
        """What an operator may change about it."""
        ...

    @property
    def details(self) -> dict[str, str]:
        """Facts about this machine's isolation for the grade's provenance: engine, network of the build."""
        ...

    @property
    def in_force(self) -> dict[str, Any]:
        """The policy as it is kept here, limits clamped to what the machine has, as plain JSON."""
        ...

    def build(
        self, files: Path, *, entry_sha256: str, grade_id: str, log: Path, progress: Progress
    ) -> BuiltEntry:
        """Run `./build.sh` over a copy of `files`, once per (entry, base); its output goes to `log`, capped.

        What is made for it carries `grade_id` as a label.

        Raises: BuildFailed (the entry's fault), SandboxUnavailable, SandboxFailed.
        """
        ...

    def discard_builds(self) -> None:
        """Remove every entry built in this sandbox's cache: for a cache that is thrown away."""
        ...

    def run(
        self, built: BuiltEntry, *, grade_id: str, gate: Path, log: Path
    ) -> AbstractContextManager[Guest]:
        """Start `./evaluate.py --val_data_dir GATE` detached; on exit nothing of it is left alive.

        `gate` is a folder that holds `metadata.json` and the listening `gate.sock`. The entry finds the module
        `wmc_guest` on its PYTHONPATH. After the exit `log` holds the guest's output, capped.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        ...

    def outputs(self, *, grade_id: str, max_bytes: int) -> AbstractContextManager[Outputs]:
        """An empty place for `run_openly`; it is gone when the context ends.

        Raises: SandboxUnavailable, SandboxFailed.
        """
        ...

    def run_openly(
        self, built: BuiltEntry, *, grade_id: str, data: Path, outputs: Outputs | None, log: Path
    ) -> AbstractContextManager[Guest]:
        """As `run`, but with a whole clip, the truth in it, in the gate's place: nothing else runs meanwhile.

        With `outputs` it is told to save there: `--save_outputs_dir`.

        Raises: SandboxUnavailable also while another grade is being made; SandboxFailed.
        """
        ...

    def files(self, built: BuiltEntry, *, grade_id: str) -> AbstractContextManager[Iterator[BuiltFile]]:
        """Every regular file of the entry, build.sh's included, in the order of their names.

        Links are not followed, and a file with several names comes once. Nothing of the entry runs meanwhile.

        Raises: SandboxUnavailable, SandboxFailed, on entry and while the files are read.
        """
        ...
