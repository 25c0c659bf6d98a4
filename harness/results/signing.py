"""Signed records: an Ed25519 signature of a row's hash, which covers the record and all records before it.

Keys are PEM files, as `openssl genpkey -algorithm ed25519 -out key.pem` and `openssl pkey -in key.pem -pubout` make
them. A signature lies beside the grade's artifacts, not in the row: the row is what is signed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DependencyMissing, StoreFailed, UsageError
from harness.extras import install
from harness.results.store import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE_NAME = "record.sig.json"
"""In the grade's folder."""

_GRADE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_PURPOSE = b"wmc signature 1\n"


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key in a PEM file without a passphrase.

    Raises: UsageError, DependencyMissing.
    """
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_content(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, f"is no private key without a passphrase: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "is a key of another kind than Ed25519")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The key in a PEM file.

    Raises: UsageError, DependencyMissing.
    """
    _require()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_content(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(path, f"is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "is a key of another kind than Ed25519")
    return key


def sign_record(store: Store, grade_id: str, key: Ed25519PrivateKey) -> str:
    """Sign this grade's row as it lies in the store; returns where the signature is, below the store.

    Raises: StoreFailed, also for a row from before rows were hashed.
    """
    sha256 = store.row(grade_id).sha256
    if sha256 is None:
        raise StoreFailed(
            f"{grade_id} is from before records were hashed, so there is nothing to sign",
            code="store.unhashed",
            fix="`wmc regrade` makes a record of it that can be signed",
        )
    value = {"grade_id": grade_id, "sha256": sha256, "ed25519": key.sign(_signed(sha256)).hex()}
    file, _ = store.save_artifact(grade_id, FILE_NAME, json.dumps(value).encode() + b"\n")
    return file


def has_signature(store: Store, grade_id: str) -> bool:
    """Whether there is one, good or bad; what is no id of ours names no file."""
    return _GRADE_ID.fullmatch(grade_id) is not None and _file(store, grade_id).exists()


def wrong_signature(store: Store, grade_id: str, sha256: str | None, key: Ed25519PublicKey) -> str | None:
    """What is wrong with this grade's signature, whose row has this hash; None where it is good."""
    from cryptography.exceptions import InvalidSignature

    try:
        value = json.loads(_file(store, grade_id).read_bytes())
        signature = bytes.fromhex(value["ed25519"])
    except FileNotFoundError:
        return "there is none"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"it cannot be read: {error}"
    if sha256 is None:
        return "its row has no hash"
    try:
        key.verify(signature, _signed(sha256))
    except InvalidSignature:
        return "it is not this key's signature of this record and those before it"
    return None


def _signed(sha256: str) -> bytes:
    return _PURPOSE + sha256.encode()


def _file(store: Store, grade_id: str) -> Path:
    return store.folder / "grades" / grade_id / FILE_NAME


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _no_key(path, f"cannot be read: {error.strerror}") from error


def _no_key(path: Path, what: str) -> UsageError:
    return UsageError(
        f"{path} {what}",
        code="usage.key",
        fix="`openssl genpkey -algorithm ed25519 -out key.pem` makes a key, "
        "`openssl pkey -in key.pem -pubout -out pub.pem` its public half",
    )


def _require() -> None:
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError as error:
        raise DependencyMissing(
            "records are signed with the package cryptography, which is not installed",
            code="dependency.cryptography",
            fix=install("sign"),
        ) from error
