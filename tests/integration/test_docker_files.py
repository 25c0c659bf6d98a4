"""The host reads a built entry's files without following a path in it."""

import hashlib

import numpy as np
import pytest

from harness.data.clips import open_clip, write_clip
from harness.errors import SandboxFailed
from harness.progress import Silent
from harness.retrieval.entry_scan import scan_entry
from harness.retrieval.frame_index import index_frames
from harness.retrieval.report import TrainingRun
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


@pytest.fixture
def clip(tmp_path):
    write_clip(
        tmp_path / "train",
        tokens_NHW=np.random.default_rng(0).integers(1 << 18, size=(100, 16, 16), dtype=np.uint32),
        segment_ids_N=np.zeros(100, np.int32),
        actions={},
        tokenizer_ckpt="",
    )
    return open_clip(tmp_path / "train")


def scanned(bench, clip, built):
    return scan_entry(
        bench.sandbox.files(built, grade_id="g"),
        index_frames(clip, progress=Silent()),
        size_bytes=built.size_bytes,
        num_files=built.num_files,
        sent_bytes=0,
        parameters=None,
        progress=Silent(),
    )


def test_training_frames_in_a_built_entry_are_found_what_a_link_leads_to_is_not(bench, clip):
    """Only what lies in the volume counts: the host's own training split is never looked at by an entry's path."""
    link = f"#!/bin/sh\nln -s {clip.folder.resolve()}/video.bin split; head -c 999 /dev/urandom > noise\n"
    clean = scanned(bench, clip, bench.build(bench.entry(build=link)))
    assert (clean.runs, clean.missing) == ((), None)
    files = bench.entry(build="#!/bin/sh\n(head -c 999 /dev/urandom; cat shard) > weights; rm shard\n")
    (files / "shard").write_bytes(np.asarray(clip.tokens_NHW[40:90]).tobytes())
    found = scanned(bench, clip, bench.build(files))
    assert found.runs == (
        TrainingRun(path="weights", offset=999, layout="uint32", frames=50, train_frame=40),
    )
    assert found.largest[0].path == "weights"


def test_a_scan_that_loses_its_volume_says_so(bench, clip):
    built = bench.build(bench.entry())
    bench.client.volumes.get(built.handle).remove(force=True)
    found = scanned(bench, clip, built)
    assert found.runs is None
    assert "gone" in found.missing
