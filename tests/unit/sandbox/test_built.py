"""Records of finished builds."""

import json
import threading

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import built
from harness.sandbox.contract import BuiltEntry

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
)


def test_what_was_written_is_read(tmp_path):
    built.write(tmp_path / "x.json", BUILT)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) == BUILT


def test_the_record_of_another_submission_is_not_taken(tmp_path):
    """Names are cut to twelve digits; the record is not."""
    built.write(tmp_path / "x.json", BUILT)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 12 + "b" * 52) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"handle": "volume"}', "null"])
def test_a_record_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    assert built.read(tmp_path / "x.json", entry_sha256="a" * 64) is None


def test_a_forgotten_build_is_not_found(tmp_path):
    built.write(tmp_path / "x.json", BUILT)
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
