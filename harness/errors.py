"""Every way a grade can stop, sorted by who must act: the entry, the operator, the caller, or us.

An error carries a stable dotted `code` for machines, a message that says what happened, and a `fix` that says
what to do about it. Whatever is not a `WmcError` is a bug of ours and never charged to an entrant.

Every code is a row of `outcomes.toml` and is written out where it is raised; a test holds the two together.
"""

from __future__ import annotations

import copyreg
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar


class Blame(str, Enum):
    """Who must act before the same command can succeed."""

    ENTRY = "entry"
    OPERATOR = "operator"
    USAGE = "usage"
    BUG = "bug"

    @property
    def exit_code(self) -> int:
        """The process exit code of a command that ends this way; 0 is a finished grade."""
        return {Blame.ENTRY: 1, Blame.USAGE: 2, Blame.OPERATOR: 3, Blame.BUG: 70}[self]


class WmcError(Exception):
    """A named end of a command. Raise a subclass; message and fix may hold what a guest chose, the code never does.

    `command` is the next one to give, as it is to be typed, where one is known.
    """

    blame: ClassVar[Blame]

    def __init__(self, message: str, *, fix: str, code: str, command: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.code = code
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which knows no keywords of `__init__`: errors also come from other processes."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class _UsuallyOneCode(WmcError):
    """One whose `default_code` says enough where nothing more particular is known."""

    default_code: ClassVar[str]

    def __init__(
        self, message: str, *, fix: str, code: str | None = None, command: str | None = None
    ) -> None:
        super().__init__(message, fix=fix, code=code or self.default_code, command=command)


class ArchiveRejected(WmcError):
    """The zip is not one we open."""

    blame = Blame.ENTRY


@dataclass(frozen=True, kw_only=True)
class ManifestProblem:
    """One mistake in a manifest: where, what, and what to write instead."""

    field: str
    message: str
    fix: str


class ManifestRejected(_UsuallyOneCode):
    """`wmc.toml` has mistakes; `problems` lists all of them at once."""

    blame = Blame.ENTRY
    default_code = "manifest.rejected"

    def __init__(self, problems: tuple[ManifestProblem, ...]) -> None:
        lines = "\n".join(f"  {problem.field} {problem.message}: {problem.fix}" for problem in problems)
        super().__init__(
            f"wmc.toml has {'a mistake' if len(problems) == 1 else f'{len(problems)} mistakes'}:\n{lines}",
            fix="mend what is named above; `wmc new FOLDER` makes one that shows every key",
        )
        self.problems = problems


class IntakeFailed(_UsuallyOneCode):
    """The host could not read or write a submission's files; the entrant is not to blame."""

    blame = Blame.OPERATOR
    default_code = "intake.failed"


class BuildFailed(WmcError):
    """The entry's `build.sh` did not succeed within its limits."""

    blame = Blame.ENTRY


class GuestFailed(WmcError):
    """The entry broke the protocol, crashed, or ran out of time; `code` says which.

    `guest_words` is what the entry said about it. It may hold anything, held-out tokens too, so it goes into the
    entry's log and never into a record.
    """

    blame = Blame.ENTRY

    def __init__(self, message: str, *, fix: str, code: str, guest_words: str = "") -> None:
        super().__init__(message, fix=fix, code=code)
        self.guest_words = guest_words


class DataInvalid(WmcError):
    """A clip on disk is not what its format promises."""

    blame = Blame.OPERATOR


class CheckpointInvalid(_UsuallyOneCode):
    """A model's files are not there, are damaged, or belong to a model of another shape."""

    blame = Blame.OPERATOR
    default_code = "checkpoint.invalid"


class SandboxUnavailable(WmcError):
    """No engine, no base image, or no right to use them."""

    blame = Blame.OPERATOR


class SandboxFailed(_UsuallyOneCode):
    """The engine or the host broke under a grade; the entry is not to blame."""

    blame = Blame.OPERATOR
    default_code = "sandbox.failed"


class NotAdmitted(WmcError):
    """The organiser's own rules keep a submission from being graded now; nothing was run, and no record is left."""

    blame = Blame.OPERATOR


class StoreFailed(_UsuallyOneCode):
    """A record could not be written or read."""

    blame = Blame.OPERATOR
    default_code = "store.failed"


class ResumeRefused(WmcError):
    """A grade cannot go on where its harness stopped: something is not as it was then, or somebody works on it."""

    blame = Blame.OPERATOR


class OutputFailed(_UsuallyOneCode):
    """What a command made could not be written: a page, or its own standard output."""

    blame = Blame.OPERATOR
    default_code = "output.failed"


class DependencyMissing(_UsuallyOneCode):
    """An optional package is needed for this command."""

    blame = Blame.OPERATOR
    default_code = "dependency.missing"


class DownloadFailed(WmcError):
    """The Hub did not give what was asked for."""

    blame = Blame.OPERATOR


class UploadFailed(WmcError):
    """The Hub did not take what was to be given to it."""

    blame = Blame.OPERATOR


class TrainingFailed(WmcError):
    """A training run cannot go on: the numbers ran away, or the memory is too small."""

    blame = Blame.OPERATOR


class UsageError(WmcError):
    """The command line asks for something that makes no sense."""

    blame = Blame.USAGE
