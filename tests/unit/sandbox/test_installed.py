"""What a folder says is installed in it, held against what lies there."""

import base64
import hashlib

import pytest

from harness.sandbox import installed

CODE = b"def add(a, b):\n    return a + b\n"


def promise(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def written(root, path, content: bytes):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def digests(root):
    return {
        str(file.relative_to(root)): (hashlib.sha256(file.read_bytes()).digest(), file.stat().st_size)
        for file in root.rglob("*")
        if file.is_file() and not file.is_symlink()
    }


def look(root):
    return installed.look(str(root), digests(root))


@pytest.fixture
def root(tmp_path):
    """A wheel of two files, as pip installs it."""
    written(tmp_path, "lib/sums/__init__.py", CODE)
    written(tmp_path, "bin/sums", b"#!python")
    written(
        tmp_path,
        "lib/sums-2.1.dist-info/METADATA",
        b"Metadata-Version: 2.1\nName: sums\nVersion: 2.1\n\nName: x\n",
    )
    record = f"sums/__init__.py,{promise(CODE)},31\n../bin/sums,{promise(b'#!python')},8\nsums-2.1.dist-info/RECORD,,\n"
    written(tmp_path, "lib/sums-2.1.dist-info/RECORD", record.encode())
    return tmp_path


def test_a_wheel_as_it_was_installed_is_what_its_record_promises(root):
    found = look(root)
    assert found.distributions == [
        installed.Distribution("sums", "2.1", 2, 2, 0, 0, len(CODE) + 8, ""),
    ]
    assert (found.found, found.recorded_files, found.recorded_bytes) == (1, 2, len(CODE) + 8)


def test_a_changed_file_is_not_what_the_record_promises(root):
    """Control: measured digests. Believed, this would be `sums 2.1`, in which one line now does something else."""
    written(root, "lib/sums/__init__.py", CODE.replace(b"+", b"-"))
    (found,) = look(root).distributions
    assert (found.listed, found.matching, found.different, found.missing) == (2, 1, 1, 0)


def test_a_lying_entry_shows_as_lying(root):
    """A package that is not there at all, and one without any promise."""
    written(root, "lib/numpy-2.1.0.dist-info/METADATA", b"Name: numpy\nVersion: 2.1.0\n")
    written(root, "lib/numpy-2.1.0.dist-info/RECORD", f"numpy/__init__.py,{promise(b'1')},1\n".encode())
    written(root, "lib/torch-9.dist-info/METADATA", b"Name: torch\nVersion: 9\n")
    by_name = {each.name: each for each in look(root).distributions}
    assert (by_name["numpy"].listed, by_name["numpy"].missing) == (1, 1)
    assert by_name["torch"].problem == "it has no RECORD"


def test_a_promise_that_is_repeated_counts_once(root):
    row = f"sums/__init__.py,{promise(CODE)},31\nsums/../sums/./__init__.py,{promise(CODE)},31\n"
    written(root, "lib/sums-2.1.dist-info/RECORD", (row * 50).encode())
    (found,) = look(root).distributions
    assert (found.listed, found.matching, found.size_bytes) == (1, 1, len(CODE))


@pytest.mark.parametrize(
    "row",
    [
        f"../../outside,{promise(CODE)},1",
        f"/etc/passwd,{promise(CODE)},1",
        f"lib/..\0/x,{promise(CODE)},1",
        "sums/__init__.py,sha256=no base64!,1",
        "sums/__init__.py,sha256=,1",
    ],
)
def test_no_promise_reaches_outside_or_holds_by_accident(root, row):
    written(root, "lib/sums-2.1.dist-info/RECORD", f"{row}\n".encode())
    (found,) = look(root).distributions
    assert (found.listed, found.matching) == (1, 0)


def test_a_promise_by_the_whole_path_is_found(root):
    """As for scripts."""
    written(root, "lib/sums-2.1.dist-info/RECORD", f"{root}/bin/sums,{promise(b'#!python')},8\n".encode())
    assert look(root).distributions[0].matching == 1


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"one\n", b'"', b"a" * 200_000 + b",sha256=,"])
def test_a_record_that_is_none_does_no_harm(root, text):
    written(root, "lib/sums-2.1.dist-info/RECORD", text)
    (found,) = look(root).distributions
    assert found.matching == 0


def test_metadata_says_its_name_in_its_head_only_and_shortly(root):
    written(
        root,
        "lib/sums-2.1.dist-info/METADATA",
        b"Summary: x\n" + b"Name: " + b"n" * 5000 + b"\n\nVersion: 9\n",
    )
    (found,) = look(root).distributions
    assert (len(found.name), found.version) == (100, "")


def test_a_link_is_no_record(root):
    record = root / "lib/sums-2.1.dist-info/RECORD"
    record.unlink()
    record.symlink_to("/etc/passwd")
    assert look(root).distributions[0].problem == "it has no RECORD"


def test_only_so_much_text_is_read(root, monkeypatch):
    """Otherwise a thousand RECORDs of any length would keep the meter busy for as long as they like."""
    size_bytes = (root / "lib/sums-2.1.dist-info/RECORD").stat().st_size
    written(root, "lib/b-1.dist-info/RECORD", (root / "lib/sums-2.1.dist-info/RECORD").read_bytes())
    monkeypatch.setattr(installed, "_RECORD_BYTES", 2 * size_bytes - 1)
    assert sorted(bool(each.problem) for each in look(root).distributions) == [False, True]


def test_only_so_many_packages_are_looked_at_and_all_are_counted(root, monkeypatch):
    for number in range(5):
        written(root, f"lib/p{number}-1.dist-info/METADATA", b"Name: p\n")
    monkeypatch.setattr(installed, "_MOST_DISTRIBUTIONS", 2)
    found = look(root)
    assert (len(found.distributions), found.found) == (2, 6)
