"""What a file is by its first bytes: a program, text, or something that nobody reads."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 1 << 13
"""Of a file, that decide."""

_MAGIC = (
    (b"\x7fELF", "native code (ELF)"),
    (b"MZ", "native code (Windows)"),
    (b"\xcf\xfa\xed\xfe", "native code (macOS)"),
    (b"\x00asm", "WebAssembly"),
    (b"PK\x03\x04", "a zip, as numpy and torch write weights; torch's holds a pickle"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "HDF5"),
    (b"GGUF", "GGUF weights"),
)
_PICKLE_PROTOCOLS = (2, 3, 4, 5)


def head_of(path: Path) -> bytes:
    """What decides of this file. Raises: OSError."""
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def content_of(head: bytes) -> str | None:
    """What the file that begins with `head` holds; None for text in UTF-8."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if len(head) > 1 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS:
        return "a pickle"
    if head[8:10] == b'{"':
        return "safetensors"
    return None if _is_text(head) else "unknown content"


def program_of(name: str, head: bytes) -> str | None:
    """`python` or `shell` for a file that is called so, or whose first line names such a program."""
    first = head.split(b"\n", 1)[0] if head.startswith(b"#!") else b""
    if name.endswith(".py") or b"python" in first:
        return "python"
    if name.endswith((".sh", ".bash")) or b"sh" in first:
        return "shell"
    return None


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start > len(head) - 4  # a character cut in two
    return True
