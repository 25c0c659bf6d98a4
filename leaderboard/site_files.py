"""Files of the site: each complete or not at all, and left alone where it is so already."""

from __future__ import annotations

from pathlib import Path

from harness.disk.whole_file import whole_file


def put(path: Path, content: bytes) -> None:
    """The file at `path` holds `content`; one that does already is left as it is, for most grades never change.

    It is not forced to disk: a site that a power cut has damaged is made whole by writing it again.

    Raises: OSError.
    """
    if path.exists() and path.read_bytes() == content:
        return
    with whole_file(path, durable=False) as file:
        file.write(content)
