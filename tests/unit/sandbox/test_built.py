"""Records of finished builds."""

import hashlib
import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import built
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.supply import NewFile, Package, Share, Supply, Traffic

SUPPLY = Supply(
    as_sent=Share(files=2, size_bytes=1),
    changed=Share(),
    added=Share(),
    removed=Share(),
    largest=(NewFile(path="w", size_bytes=1, sha256="d" * 64, was_sent=True),),
    packages=(
        Package(
            name="six", version="1", listed=1, matching=1, different=0, missing=0, size_bytes=1, problem=""
        ),
    ),
    packages_found=1,
    recorded=Share(),
    traffic=Traffic(received_bytes=7, sent_bytes=8),
)
BUILT = BuiltEntry(
    handle="volume",
    entry_sha256="a" * 64,
    tree_sha256="b" * 64,
    size_bytes=1,
    num_files=2,
    base_image="sha256:c",
    build_seconds=3.5,
    network="none",
    size_cap="none",
    supply=SUPPLY,
    inventory="",
    inventory_sha256="",
)


@pytest.fixture
def build(tmp_path):
    """A finished build, its inventory beside where its record is to lie."""
    inventory = built.inventory(tmp_path / "x.json")
    inventory.write_bytes(b"files")
    sha256 = hashlib.sha256(b"files").hexdigest()
    return replace(BUILT, inventory=str(inventory), inventory_sha256=sha256)


def test_what_was_written_is_read(tmp_path, build):
    """What the run of build.sh was found to do, too."""
    built.write(tmp_path / "x.json", build)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) == build


def test_a_build_whose_inventory_is_lost_or_damaged_is_none(tmp_path, build):
    """Control: its digest in the record. Without it a grade would keep a list of files that nobody measured."""
    built.write(tmp_path / "x.json", build)
    Path(build.inventory).write_bytes(b"other")
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None
    Path(build.inventory).unlink()
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None


def test_a_build_from_before_there_were_inventories_is_none(tmp_path, build):
    """It is built again."""
    old = {name: value for name, value in asdict(build).items() if name not in ("supply", "inventory")}
    (tmp_path / "x.json").write_text(json.dumps(old))
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None


def test_the_record_of_another_submission_is_not_taken(tmp_path, build):
    """Names are cut to twelve digits; the record is not."""
    built.write(tmp_path / "x.json", build)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 12 + "b" * 52) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"handle": "volume"}', "null"])
def test_a_record_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None


def test_a_forgotten_build_is_not_found(tmp_path, build):
    built.write(tmp_path / "x.json", build)
    built.forget(tmp_path / "x.json")
    built.forget(tmp_path / "x.json")
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None


def test_one_builds_and_the_others_wait(tmp_path):
    order = []
    first_is_in = threading.Event()

    def second():
        first_is_in.wait()
        with built.locked(tmp_path / "x.json"):
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with built.locked(tmp_path / "x.json"):
        first_is_in.set()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_a_cache_that_cannot_be_written_is_the_operators(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SandboxFailed) as caught, built.locked(tmp_path / "file" / "x.json"):
        pass
    assert caught.value.code == "sandbox.cache"


def test_records_are_plain_json(tmp_path):
    built.write(tmp_path / "x.json", BUILT)
    assert json.loads((tmp_path / "x.json").read_text())["tree_sha256"] == "b" * 64
