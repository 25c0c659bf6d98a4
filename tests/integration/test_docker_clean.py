"""Volumes that nobody needs are removed; those in use, or somebody else's, stay."""

import os
import signal
import subprocess
import sys

import pytest

from harness.sandbox import volume
from harness.sandbox.clean import clean_docker
from harness.sandbox.container import DockerSandbox

pytestmark = [pytest.mark.docker]

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
    DockerSandbox(base_image=base_image)  # removes the containers that hold it
    clean_docker(bench.folder / "none", unused_s=0)
    assert orphans() == []
