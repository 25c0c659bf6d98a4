"""The checkup of a machine, its disks, data and records: what is amiss is seen, said, and given its fix."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.doctor import data, disks, machine, records
from harness.doctor.check import Check, Health
from harness.doctor.checkup import Wanted, checkup
from harness.progress import Silent
from harness.results.record import Record
from harness.results.report import Provenance
from harness.results.store import Store
from harness.results.unfinished import Unfinished
from harness.sandbox.policy import GIB, SandboxPolicy

GPU_POLICY = SandboxPolicy(base_image="base", gpu_device_ids=("0",))
GPU_LINE = "GPU 0: NVIDIA H200 (UUID: GPU-1)"


def health_of(checks: Iterator[Check]) -> dict[str, Health]:
    return {check.what: check.health for check in checks}


def test_what_is_not_well_always_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    wanted = Wanted(store=tmp_path / "store", data=(tmp_path / "no-clip",), policy=GPU_POLICY)
    checks = list(checkup(wanted, progress=Silent()))
    assert all(check.seen for check in checks)
    assert all(bool(check.fix) == (check.health is not Health.OK) for check in checks)
    health = health_of(iter(checks))
    assert health["engine"] is Health.BROKEN
    assert health[f"data {tmp_path}/no-clip"] is Health.BROKEN
    assert health["store"] is Health.OK, "none was kept yet"
    assert "leftover folders" in health, "they are looked for without an engine too"


def test_missing_packages_are_named_with_what_goes_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_missing", lambda modules: ["torch"] if "torch" in modules else [])
    [there, missing] = machine.package_checks()
    assert (there.health, missing.health) == (Health.OK, Health.WARNING)
    assert "retrieval" in there.seen
    assert missing.fix == ".venv/bin/pip install -c constraints.txt -e '.[codec]'"


@pytest.mark.parametrize(
    ("script", "asked", "health"),
    [
        (f"echo '{GPU_LINE}'", True, Health.OK),
        ("echo 'NVIDIA-SMI has failed'; exit 9", True, Health.BROKEN),
        ("echo 'NVIDIA-SMI has failed'; exit 9", False, Health.OK),
    ],
)
def test_a_gpu_is_missed_only_where_it_is_asked_for(script: str, asked: bool, health: Health) -> None:
    check = machine.gpu_check(is_asked_for=asked, command=("/bin/sh", "-c", script))
    assert check.health is health
    assert ("H200" in check.seen) or ("has failed" in check.seen)


def test_a_machine_without_the_driver_says_so() -> None:
    assert "is not installed" in machine.gpu_check(is_asked_for=True, command=("no-such-smi",)).seen


def test_what_the_kernel_does_not_let_us_do_is_a_warning(tmp_path: Path) -> None:
    checks = [
        machine.page_cache_check(may_be_dropped=False),
        machine.cgroup_check(are_visible=False),
        machine.build_network_check("iptables is not installed"),
        machine.loop_device_check(tmp_path / "no-loop"),
    ]
    assert {check.health for check in checks} == {Health.WARNING}
    assert checks[2].fix == "sudo apt-get install -y iptables"


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "health"), [(40 * GIB, Health.OK), (30 * GIB, Health.WARNING), (3 * GIB, Health.BROKEN)]
)
def test_the_engines_disk_is_held_against_what_a_build_needs(
    free: int, health: Health, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks.shutil, "disk_usage", lambda _: Usage(100 * GIB, 0, free))
    check = disks.engine_disk_check(tmp_path, SandboxPolicy(entry_bytes=32 * GIB, disk_reserve_bytes=4 * GIB))
    assert check.health is health
    assert f"{free / GIB:.1f} GiB free" in check.seen


@pytest.mark.parametrize(
    ("free_mib", "health", "words"),
    [
        (20, Health.BROKEN, "20 MiB free at {}, a grade may find no room below 64 MiB"),
        (64, Health.WARNING, "64 MiB free at {}, a grade may need 2.0 GiB"),
        (1023, Health.WARNING, "1023 MiB free at {}, a grade may need 2.0 GiB"),
        (4096, Health.OK, "4.0 GiB free at {}, a grade needs at most 2.0 GiB"),
    ],
)
def test_the_stores_disk_is_told_in_figures_that_say_something(
    free_mib: int, health: Health, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks.shutil, "disk_usage", lambda _: Usage(100 * GIB, 0, free_mib << 20))
    check = next(disks.disk_checks(tmp_path, SandboxPolicy()))
    assert (check.health, check.seen) == (health, words.format(tmp_path))


def test_a_folder_that_will_be_made_is_judged_by_the_disk_it_will_be_on(tmp_path: Path) -> None:
    check = disks.disk_check("disk", tmp_path / "a" / "b", wanted_bytes=1, fix="f", least_bytes=0)
    assert f"at {tmp_path}," in check.seen


def kept(store: Store, name: str, sha256: str) -> None:
    """One failed grade on data of this name."""
    provenance = Provenance(
        harness_version="0", git_commit=None, spec_version="1", gate_version=1, seed=0, schedule="disjoint",
        sandbox="process", sandbox_details={}, limits={}, max_windows=None, samples=1, scoring_version=1,
        data_name=name, data_sha256=sha256,
    )  # fmt: skip
    with Record(provenance=provenance).kept_in(store):
        pass


def test_a_clip_is_compared_with_what_grades_on_its_name_saw(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip, store = make_clip(name="heldout"), Store(tmp_path / "store")
    first = data.clip_check("data", clip, store, progress=Silent())
    digest = first.seen.split()[1].rstrip(";")
    assert (first.health, len(digest)) == (Health.OK, 64)
    kept(store, "heldout", digest)
    kept(store, "another", "0" * 64)
    assert "as in 1 of 1 grades on heldout" in data.clip_check("data", clip, store, progress=Silent()).seen
    tokens = np.memmap(clip / "video.bin", np.uint32, "r+")
    tokens[0] ^= 1
    tokens.flush()
    changed = data.clip_check("data", clip, store, progress=Silent())
    assert changed.health is Health.BROKEN
    assert f"saw {digest}" in changed.seen


def test_a_codec_and_weights_that_are_missing_cost_pictures_alone(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    codec, lpips = data.codec_check(make_clip()), data.lpips_check(tmp_path)
    assert (codec.health, lpips.health) == (Health.WARNING, Health.WARNING)
    assert "wmc data pull --codec" in codec.fix


def test_an_edited_store_is_broken(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    kept(store, "a", "0" * 64)
    assert {check.health for check in records.record_checks(store)} == {Health.OK}
    (tmp_path / "store" / "chain.head").write_text("1 " + "0" * 64)
    checks = list(records.record_checks(store))
    assert Health.BROKEN in {check.health for check in checks}
    assert "wmc verify --store" in checks[0].fix


def test_a_grade_that_was_cut_off_is_named_with_both_ways_out_and_a_running_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    found = (
        Unfinished(grade_id="cut", is_running=False, history=None, trouble="nobody can read it"),
        Unfinished(grade_id="running", is_running=True, history=None),
    )
    monkeypatch.setattr(records, "unfinished_grades", lambda _store: found)
    (check,) = (check for check in records.record_checks(store) if check.health is not Health.OK)
    assert check.seen == "cut (nobody can read it)"
    assert "wmc grade --resume cut" in check.fix
    assert "wmc grade --abandon cut" in check.fix


def test_the_command_shows_a_line_for_each_and_ends_by_the_worst(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "doctor", "--store", str(tmp_path / "store")]
    surroundings = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock", "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 3
    assert "broken  engine: no Docker engine answers\n        fix: DOCKER_HOST is set" in done.stdout
    assert "1 broken" in done.stderr
