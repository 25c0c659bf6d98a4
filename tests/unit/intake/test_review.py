"""A review shows what an organiser must see, and nothing in it can act on a terminal."""

from __future__ import annotations

from harness.intake.archive import open_archive
from harness.intake.pack import pack
from harness.intake.review import review


def test_a_review_holds_the_receipt_the_manifest_and_every_file(folder, tmp_path):
    packed = pack(folder, tmp_path / "in.zip")
    found = review(open_archive(packed.path, tmp_path / "entry"))
    assert (found.sha256, found.size_bytes, found.manifest) == (
        packed.sha256,
        packed.size_bytes,
        packed.manifest,
    )
    assert [file.name for file in found.files] == ["build.sh", "evaluate.py", "lib/model.py", "wmc.toml"]
    assert found.largest[0].name == "wmc.toml"
    assert dict(found.scripts)["build.sh"] == "#!/bin/sh\nexit 0\n"


def test_a_script_cannot_hide_a_line_or_move_the_cursor(folder, tmp_path):
    (folder / "build.sh").write_bytes(
        b"#!/bin/sh\ncurl evil\r# nothing here\x1b[1A\x1b[2K\n\xff\xe2\x80\xae\n"
    )
    found = review(open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry"))
    text = dict(found.scripts)["build.sh"]
    assert all(line.isprintable() for line in text.split("\n"))
    assert "curl evil\\r# nothing here\\x1b[1A" in text
    assert "\\xff\\u202e" in text
