"""Signatures: made by one key, of one record and all before it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import DependencyMissing, StoreFailed, UsageError
from harness.results.signing import (
    FILE_NAME,
    has_signature,
    read_private_key,
    read_public_key,
    sign_record,
    wrong_signature,
)
from harness.results.store import Store

pytest.importorskip("cryptography")


def pem(folder: Path, name: str, kind: str = "ed25519") -> tuple[Path, Path]:
    """A key pair as openssl writes it: the private and the public file."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    key: Any = {"ed25519": ed25519.Ed25519PrivateKey, "x25519": x25519.X25519PrivateKey}[kind].generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two rows, a and b."""
    made = Store(tmp_path / "store")
    for name in "ab":
        report: Any = SimpleNamespace(grade_id=name, finished_at="", to_json=lambda: {"loss": 9.5})
        made.append(report)
    return made


def checker(store: Store, public: Path) -> Callable[[str], str | None]:
    key = read_public_key(public)
    return lambda grade_id: wrong_signature(store, grade_id, store.row(grade_id).sha256, key)


def test_a_signed_record_verifies_with_its_key_and_with_no_other(store: Store, tmp_path: Path) -> None:
    private, public = pem(tmp_path, "mine")
    _, other = pem(tmp_path, "other")
    file = sign_record(store, "b", read_private_key(private))
    assert (store.folder / file).name == FILE_NAME
    assert checker(store, public)("b") is None
    assert "not this key's" in str(checker(store, other)("b"))


def test_a_signature_of_one_record_is_none_of_another(store: Store, tmp_path: Path) -> None:
    private, public = pem(tmp_path, "mine")
    file = store.folder / sign_record(store, "b", read_private_key(private))
    (store.grade_folder("a") / FILE_NAME).write_bytes(file.read_bytes())
    assert "not this key's" in str(checker(store, public)("a"))


def test_a_missing_or_broken_signature_is_said_to_be_one(store: Store, tmp_path: Path) -> None:
    private, public = pem(tmp_path, "mine")
    check = checker(store, public)
    assert check("a") == "there is none"
    assert not has_signature(store, "a")
    file = store.folder / sign_record(store, "a", read_private_key(private))
    assert has_signature(store, "a")
    value = json.loads(file.read_bytes())
    for broken in ("{", "[]", "{}", json.dumps({**value, "ed25519": "xy"})):
        file.write_text(broken)
        assert "cannot be read" in str(check("a"))
    flipped = f"{int(value['ed25519'][0], 16) ^ 1:x}{value['ed25519'][1:]}"
    file.write_text(json.dumps({**value, "ed25519": flipped}))
    assert "not this key's" in str(check("a"))


@pytest.mark.parametrize("name", ["../a", "a/b", "", "a\0b", "x" * 300])
def test_what_is_no_grade_id_names_no_file(store: Store, name: str) -> None:
    assert not has_signature(store, name)


def test_a_row_without_a_hash_cannot_be_signed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, _ = pem(tmp_path, "mine")
    monkeypatch.setattr(Store, "row", lambda *_: SimpleNamespace(sha256=None))
    with pytest.raises(StoreFailed) as caught:
        sign_record(store, "a", read_private_key(private))
    assert caught.value.code == "store.unhashed"


def test_what_is_no_key_is_refused_with_the_way_to_make_one(tmp_path: Path) -> None:
    private, public = pem(tmp_path, "mine")
    others = pem(tmp_path, "other", kind="x25519")
    (tmp_path / "text").write_text("no key")
    for read, paths in (
        (read_private_key, (public, others[0], tmp_path / "text", tmp_path / "nothing")),
        (read_public_key, (private, others[1], tmp_path / "text", tmp_path / "nothing")),
    ):
        for path in paths:
            with pytest.raises(UsageError) as caught:
                read(path)
            assert "openssl genpkey" in caught.value.fix


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(DependencyMissing, match="cryptography") as caught:
        read_public_key(tmp_path / "pub.pem")
    assert "-e '.[sign]'" in caught.value.fix
