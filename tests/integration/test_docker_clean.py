"""Volumes that nobody needs are removed; those in use, or somebody else's, stay."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.sandbox import disk_image, loop_device, volume
from harness.sandbox.clean import clean_docker
from harness.sandbox.container import DockerSandbox

pytestmark = [pytest.mark.docker]

TEMPLATE = Path(__file__).parents[2] / "submissions_template"
KILLED_IN_THE_BUILD = """
import pathlib, sys
from harness.progress import Silent
from harness.sandbox.container import DockerSandbox
from harness.sandbox.policy import SandboxPolicy
files, cache, image = sys.argv[1:]
sandbox = DockerSandbox(base_image=image, cache=pathlib.Path(cache))
sandbox.build(
    pathlib.Path(files), entry_sha256="e" * 64, grade_id="g", log=pathlib.Path(cache + ".log"), progress=Silent()
)
"""


@pytest.fixture
def own(bench, policy):
    """A sandbox with a cache of its own."""
    return DockerSandbox(policy=policy, cache=bench.folder / "cache")


def test_a_volume_in_use_stays_and_goes_with_its_user(bench, own):
    cache = own._cache
    built = bench.build(bench.entry(), sandbox=own)
    assert clean_docker(cache, unused_s=0).in_use == 1
    assert volume.exists(bench.client, built.handle)
    own.discard_builds()
    assert not volume.exists(bench.client, built.handle)
    assert list((cache / "docker").iterdir()) == []


def test_two_caches_do_not_share_a_volume(bench, own):
    """A check throws its cache away, and the grade of the same entry goes on."""
    files = bench.entry()
    graded, checked = bench.build(files), bench.build(files, sandbox=own)
    own.discard_builds()
    assert graded.tree_sha256 == checked.tree_sha256
    assert volume.exists(bench.client, graded.handle)


def test_a_volume_carries_the_grade_it_was_made_for(bench):
    built = bench.build(bench.entry())
    labels = bench.client.volumes.get(built.handle).attrs["Labels"]
    assert labels["wmc.grade"] == "grade-under-test"


def clip(folder):
    """One window of nothing."""
    write_clip(
        folder / "clip",
        tokens_NHW=np.zeros((226, 16, 16), np.uint32),
        segment_ids_N=np.zeros(226, np.int32),
        actions={name: np.zeros((226, width), np.float32) for name, width in ACTION_WIDTHS.items()},
        tokenizer_ckpt="none",
    )
    return folder / "clip"


@pytest.mark.parametrize(("build", "code"), [("#!/bin/sh\n", 0), ("#!/bin/sh\nexit 3\n", 1)])
def test_a_check_leaves_no_volume(bench, base_image, build, code):
    entry = shutil.copytree(TEMPLATE, bench.folder / "entry", ignore=shutil.ignore_patterns("__pycache__"))
    (entry / "build.sh").write_text(build)
    command = [sys.executable, "-m", "harness", "check", str(entry), "--data", str(clip(bench.folder))]
    before = {found.name for found in bench.client.volumes.list()}
    done = subprocess.run(
        [*command, "--windows", "1", "--json", "--base-image", base_image],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    made_for = json.loads(done.stdout)["grade_id"]
    left = {found.name: found for found in bench.client.volumes.list()}
    assert [name for name in set(left) - before if left[name].attrs["Labels"]["wmc.grade"] == made_for] == []


def test_an_orphan_of_a_killed_harness_goes_whatever_cache_it_was_for(bench, base_image):
    files = bench.entry(build="#!/bin/sh\ntouch started\nsleep 600\n")
    cache = bench.folder / "elsewhere"
    command = [sys.executable, "-c", KILLED_IN_THE_BUILD, str(files), str(cache), base_image]

    def orphans():
        found = bench.client.volumes.list(filters={"label": f"wmc.entry={'e' * 64}"})
        return [each for each in found if str(cache) in each.attrs["Labels"]["wmc.record"]]

    with subprocess.Popen(command) as harness:
        while not orphans():
            assert harness.poll() is None
        clean_docker(bench.folder / "none", unused_s=0)
        assert orphans(), "its harness lives: it is left alone"
        os.kill(harness.pid, signal.SIGKILL)
    [image] = [disk_image.place(bench.client, orphan.name) for orphan in orphans()]
    DockerSandbox(base_image=base_image)  # removes the containers that hold it
    assert loop_device.devices_of(image) == []
    clean_docker(bench.folder / "none", unused_s=0)
    assert orphans() == []
    assert not image.exists()
