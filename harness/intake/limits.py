"""How large a submission may be."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """Caps on one submission; all but the first hold for what is really inflated, whatever the zip declares.

    Attributes:
        zip_bytes: of the zip file.
        files: members of the zip, and files and folders that they make.
        total_bytes: of all files, unpacked.
        file_bytes: of one file, unpacked.
        ratio: unpacked bytes of a file per compressed byte, once it is past `ratio_free_bytes`.
        ratio_free_bytes: a file this small may have any ratio (a log of zeros is no bomb).
        script_bytes: of `build.sh`, `evaluate.py` and `wmc.toml`, which a person reads.
    """

    zip_bytes: int = 8 * _GIB
    files: int = 20_000
    total_bytes: int = 16 * _GIB
    file_bytes: int = 8 * _GIB
    ratio: int = 200
    ratio_free_bytes: int = _MIB
    script_bytes: int = _MIB // 4


DEFAULT_LIMITS = ArchiveLimits()
