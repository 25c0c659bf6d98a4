"""Reading control groups, on folders that look like the kernel's."""

import subprocess

import pytest

from harness.sandbox import cgroup

ID = "c0ffee" * 10


def group(folder, *process_ids):
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("".join(f"{process_id}\n" for process_id in process_ids))
    return folder


@pytest.mark.parametrize("place", ["docker/" + ID, "system.slice/docker-" + ID + ".scope", "a/b/c/" + ID])
def test_a_container_is_found_whatever_driver_named_its_group(tmp_path, place):
    (tmp_path / "cgroup.controllers").touch()
    group(tmp_path / place, 11, 12)
    assert cgroup.processes(ID, root=tmp_path) == (11, 12)


def test_version_1_is_read_from_one_controller(tmp_path):
    group(tmp_path / "pids" / "docker" / ID, 11)
    group(tmp_path / "memory" / "docker" / ID, 11)
    assert cgroup.folders(ID, root=tmp_path) == (tmp_path / "pids" / "docker" / ID,)
    assert cgroup.processes(ID, root=tmp_path) == (11,)


def test_groups_below_count_too(tmp_path):
    (tmp_path / "cgroup.controllers").touch()
    group(tmp_path / ID)
    group(tmp_path / ID / "inner", 13)
    assert cgroup.processes(ID, root=tmp_path) == (13,)


def test_another_container_is_not_mistaken_for_it(tmp_path):
    (tmp_path / "cgroup.controllers").touch()
    group(tmp_path / "docker" / ("f" * 60), 14)
    assert cgroup.folders(ID, root=tmp_path) == ()
    assert cgroup.survivors(ID, patience_s=0, root=tmp_path) == ()


def test_who_is_still_there_after_some_patience_is_a_survivor(tmp_path):
    (tmp_path / "cgroup.controllers").touch()
    group(tmp_path / ID, 15)
    assert cgroup.survivors(ID, patience_s=0.05, root=tmp_path) == (15,)


def test_destroying_kills_what_lives_there(tmp_path):
    """The folder's list is not the kernel's here, so the dead stay on it: what is checked is the kill."""
    (tmp_path / "cgroup.controllers").touch()
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        group(tmp_path / ID, sleeper.pid)
        cgroup.destroy(ID, patience_s=0, root=tmp_path)
        assert sleeper.wait(timeout=5) == -9
