"""An entry's files on their way into a sandbox."""

import io
import os
import tarfile

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import source


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "build.sh").write_text("#!/bin/sh\n")
    (folder / "build.sh").chmod(0o700)
    (folder / "sub" / "weights").write_bytes(b"\x00" * 1000)
    (folder / "sub" / "weights").chmod(0o664)
    return folder


def test_the_tar_has_two_modes_and_one_owner(files):
    archive = io.BytesIO()
    source.write_tar(archive, files, uid=210_000)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        found = {member.name: (member.mode, member.uid, member.gid, member.size) for member in tar}
    assert found == {
        "build.sh": (0o755, 210_000, 210_000, 10),
        "sub": (0o755, 210_000, 210_000, 0),
        "sub/weights": (0o644, 210_000, 210_000, 1000),
    }


def test_a_copy_has_the_same_modes(files, tmp_path):
    source.copy(files, tmp_path / "copy")
    modes = {
        member.name: (member.mode, member.path.stat().st_mode & 0o777)
        for member in source.members(tmp_path / "copy")
    }
    assert modes == {"build.sh": (0o755, 0o755), "sub": (0o755, 0o755), "sub/weights": (0o644, 0o644)}
    assert (tmp_path / "copy" / "sub" / "weights").read_bytes() == b"\x00" * 1000


@pytest.mark.parametrize(
    "plant",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to("/etc"),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ],
)
def test_what_intake_should_have_refused_is_refused_here_too(files, plant):
    plant(files / "sub" / "odd")
    with pytest.raises(SandboxFailed) as caught:
        list(source.members(files))
    assert caught.value.code == "sandbox.files"
    assert "sub/odd" in caught.value.message
