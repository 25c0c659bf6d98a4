"""What went into a built entry besides what was sent: files by difference, packages, bytes over the network."""

from __future__ import annotations

from dataclasses import dataclass

CHATTER_BYTES = 10_000
"""What a bridge may say to a container that speaks to nobody: where IPv6 is on, the kernel tells all of them which
addresses and groups are there, some 500 bytes when one joins and little after that. In that there is room for no
package and no weights, and it is counted all the same."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Some of an entry's files, folders left out; one with several names has its size once."""

    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A file that build.sh added, or changed. Its path is the entrant's own text: escape it before it is shown."""

    path: str
    size_bytes: int
    sha256: str
    was_sent: bool


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed Python package, as its `*.dist-info` says; escape name and version before they are shown.

    Attributes:
        name, version: claims.
        listed: files that its RECORD gives a digest; `matching` ones lie there with it, `different` ones with another,
            `missing` ones do not lie there.
        size_bytes: of the listed files that lie there.
        problem: why there was nothing to compare with; empty where there was.
    """

    name: str
    version: str
    listed: int
    matching: int
    different: int
    missing: int
    size_bytes: int
    problem: str

    @property
    def holds(self) -> bool:
        """Whether every file that its RECORD lists is what that promises."""
        return not self.problem and self.matching == self.listed


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Somebody whom build.sh spoke to, or tried to.

    Attributes:
        protocol, address, port: `tcp` or `udp`, and the other side's.
        asked: the name that the client gave in the clear, as TLS and HTTP have it; empty where it gave none.
        resolved: the first name that a resolver answered with this address; empty where none did.
        tried, answered: connections, and those of them in which anything came back.
    """

    protocol: str
    address: str
    port: int
    asked: str
    resolved: str
    tried: int
    answered: int


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What passed the network interface of build.sh's container, whatever program moved it.

    Attributes:
        received_bytes, sent_bytes: headers and all; None where they were not counted.
        missing: why they were not counted; empty where they were.
        destinations: those tried most often first; `destinations_found` counts all, None where nobody listened.
        unheard: why nobody listened, or what may have gone unheard; empty where all was heard.
    """

    received_bytes: int | None = None
    sent_bytes: int | None = None
    missing: str = ""
    destinations: tuple[Destination, ...] = ()
    destinations_found: int | None = None
    unheard: str = ""

    @property
    def in_words(self) -> str:
        """What came in, and whether anybody was asked for it."""
        if self.received_bytes is None:
            return "what came in over the network was not counted"
        came_in = in_bytes(self.received_bytes)
        spoke_to_nobody = self.destinations_found == 0 and not self.unheard
        if spoke_to_nobody and self.received_bytes <= CHATTER_BYTES:
            return f"it made no connection ({came_in} came in unasked, as to every container on a bridge)"
        return f"{came_in} came in over the network" + ", and no connection was heard" * spoke_to_nobody


@dataclass(frozen=True, kw_only=True)
class Supply:
    """The difference that one run of build.sh made, measured when it had ended, and what came over the network.

    Attributes:
        as_sent, changed, added, removed: the built entry's files against those of the zip, by content, kind and mode;
            of removed ones the size they were sent with.
        largest: the largest of those added or changed.
        packages: the largest of the installed packages; `packages_found` counts all.
        recorded: files of the built entry that have the digest which some package's RECORD gives them.
        traffic: of that run.
    """

    as_sent: Share
    changed: Share
    added: Share
    removed: Share
    largest: tuple[NewFile, ...]
    packages: tuple[Package, ...]
    packages_found: int
    recorded: Share
    traffic: Traffic = Traffic()

    @property
    def in_words(self) -> str:
        """One line."""
        words = [f"added {_files(self.added)}, {in_bytes(self.added.size_bytes)}"]
        words += [
            f"{verb} {_files(share)}"
            for verb, share in (("changed", self.changed), ("removed", self.removed))
            if share.files
        ]
        return f"build.sh {'; '.join([*words, self.traffic.in_words])}"


def _files(share: Share) -> str:
    return f"{share.files:,} file{'' if share.files == 1 else 's'}"


def in_bytes(count: int) -> str:
    """A size as people say it, in powers of ten."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            break
        size /= 1000
    return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 9.95 else f"{size:.1f} {unit}"
