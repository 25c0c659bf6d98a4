"""The host reads a built entry's files without following a path in it."""

import hashlib

import pytest

from harness.errors import SandboxFailed
from harness.progress import Silent
from harness.sandbox.process import ProcessSandbox

pytestmark = [pytest.mark.docker]

ODD = """#!/bin/sh
set -e
mkdir -p a/b
head -c 3000000 /dev/urandom > a/b/weights
ln a/b/weights z
ln -s /etc/passwd link
ln -s / root
mkfifo pipe
printf secret > a/locked; chmod 000 a/locked
: > empty
printf x > "$(printf 'tab\\there\\200')"
"""


def read_all(sandbox, built):
    with sandbox.files(built, grade_id="g") as files:
        return {file.path: (file.size_bytes, b"".join(file.chunks)) for file in files}


def test_every_regular_file_comes_once_and_nothing_is_followed(bench):
    built = bench.build(bench.entry(build=ODD))
    found = read_all(bench.sandbox, built)
    assert list(found) == sorted(found, key=lambda name: name.encode("utf-8", "surrogateescape"))
    assert set(found) == {"a/b/weights", "a/locked", "build.sh", "empty", "evaluate.py", "tab\there\udc80"}
    assert found["a/locked"] == (6, b"secret")
    assert found["build.sh"] == (len(ODD), ODD.encode())
    assert (found["a/b/weights"][0], len(found["a/b/weights"][1])) == (3_000_000, 3_000_000)
    assert found["empty"] == (0, b"")
    assert bench.containers() == []
    _, said = bench.play(
        built, "import hashlib; print(hashlib.sha256(open('a/b/weights', 'rb').read()).hexdigest())"
    )
    assert said.strip() == hashlib.sha256(found["a/b/weights"][1]).hexdigest()


def test_a_reader_may_leave_when_it_likes(bench):
    built = bench.build(bench.entry(build=ODD))
    with bench.sandbox.files(built, grade_id="g") as files:
        first = next(files)
        assert first.path == "a/b/weights"
        assert len(next(first.chunks)) <= 1 << 20
        assert next(files).path == "a/locked"
    assert bench.containers() == []


def test_the_container_that_reads_has_no_network_and_cannot_write(bench):
    built = bench.build(bench.entry(build=ODD))
    with bench.sandbox.files(built, grade_id="g"):
        (name,) = bench.containers()
        facts = bench.client.containers.get(name).attrs
    assert facts["HostConfig"]["NetworkMode"] == "none"
    assert {mount["Destination"]: mount["RW"] for mount in facts["Mounts"]} == {
        "/entry": False,
        "/opt/wmc_sender": False,
    }


def test_an_entry_that_is_gone_is_the_operators_matter(bench):
    built = bench.build(bench.entry())
    bench.client.volumes.get(built.handle).remove(force=True)
    with pytest.raises(SandboxFailed, match="gone"), bench.sandbox.files(built, grade_id="g"):
        pass


def test_a_reader_that_is_killed_is_the_operators_matter(bench):
    built = bench.build(bench.entry(build=ODD))
    with bench.sandbox.files(built, grade_id="g") as files:
        next(files)
        (name,) = bench.containers()
        bench.client.containers.get(name).kill()
        with pytest.raises(SandboxFailed) as caught:
            list(files)
    assert caught.value.code == "sandbox.files_unreadable"
    assert bench.containers() == []


def test_docker_and_process_read_the_same(bench):
    script = ODD.replace("/dev/urandom", "/dev/zero").replace("chmod 000", "chmod 600")
    files = bench.entry(build=script)
    as_process = ProcessSandbox(policy=bench.sandbox.policy, cache=bench.folder / "cache")
    local = as_process.build(
        files, entry_sha256="0" * 64, grade_id="g", log=bench.build_log, progress=Silent()
    )
    assert read_all(as_process, local) == read_all(bench.sandbox, bench.build(files))
