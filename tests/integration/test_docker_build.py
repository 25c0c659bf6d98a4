"""`build.sh` in a real container: what it may do, what it leaves, and how it can fail."""

import hashlib
import ipaddress
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from harness import owner
from harness.errors import BuildFailed, SandboxFailed, SandboxUnavailable
from harness.progress import Silent
from harness.sandbox import disk_image, network
from harness.sandbox.container import DockerSandbox
from harness.sandbox.process import ProcessSandbox

pytestmark = [pytest.mark.docker]

SIX = "#!/bin/sh\nset -e\npip install --quiet --target lib six\necho installed\n"


def failure_of(bench, script, **policy):
    """The BuildFailed that this build.sh ends in; nothing of it is left on the engine."""
    sandbox = bench.sandbox
    if policy:
        sandbox = DockerSandbox(policy=replace(bench.sandbox.policy, **policy), cache=bench.folder / "cache")
    before = {volume.name for volume in bench.client.volumes.list()}
    with pytest.raises(BuildFailed) as caught:
        bench.build(bench.entry(build=script), sandbox=sandbox)
    assert bench.containers() == []
    assert {volume.name for volume in bench.client.volumes.list()} <= before
    return caught.value


def index_is_private():
    """True where packages come from an index that a build may reach only if its operator says so."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip() or "https://pypi.org/simple"
    address = ipaddress.ip_address(socket.gethostbyname(urlsplit(url).hostname))
    return any(address in ipaddress.ip_network(private) for private in network.PRIVATE_NETWORKS)


def test_a_package_can_be_installed_from_the_network_and_used_without_it(bench, policy):
    policy = replace(policy, block_private_networks=not index_is_private())
    sandbox = DockerSandbox(policy=policy, cache=bench.folder / "cache")
    built = bench.build(bench.entry(build=SIX), sandbox=sandbox)
    assert bench.build_log.read_text().endswith("installed\n")
    ended, said = bench.play(built, "import sys; sys.path.insert(0, 'lib'); import six; print(six.__name__)")
    assert (ended, said) == ("exited with status 0", "six\n")


def test_an_entry_is_built_once_and_found_again(bench):
    files = bench.entry(build="#!/bin/sh\ndate +%N > stamp\necho built now\n")
    first = bench.build(files)
    again = bench.build(files)
    assert first == again
    assert bench.build_log.read_text() == "built now\n"


def test_a_build_cut_short_by_the_end_of_the_harness_is_not_taken_as_built(bench):
    """The volume is there, filled and half built, but no record says that it was finished."""
    files = bench.entry(
        build="#!/bin/sh\nif [ -e half ]; then echo found half; exit 9; fi\ntouch half whole\n"
    )
    built = bench.build(files)
    [record] = (bench.sandbox._cache / "docker").glob(f"{built.handle}.json")
    record.unlink()
    assert bench.build(files).tree_sha256 == built.tree_sha256


def test_a_volume_that_was_changed_is_built_again(bench, base_image, monkeypatch):
    """One that can be changed: a folder of the engine's."""
    monkeypatch.setattr(disk_image, "obstacle", lambda _client: "switched off")
    files = bench.entry(build="#!/bin/sh\nprintf honest > weights\n")
    built = bench.build(files)
    bench.client.containers.run(
        base_image,
        ["sh", "-c", "printf forged > /entry/weights"],
        volumes={built.handle: {"bind": "/entry", "mode": "rw"}},
        remove=True,
    )
    assert bench.build(files).tree_sha256 == built.tree_sha256
    _, said = bench.play(built, "print(open('weights').read())")
    assert said == "honest\n"


def test_two_submissions_that_share_twelve_digits_are_not_mistaken_for_each_other(bench):
    shared = hashlib.sha256(str(bench.folder).encode()).hexdigest()[:12]
    one = bench.build(bench.entry(build="#!/bin/sh\necho one > name\n"), sha256=shared + "a" * 52)
    other = bench.build(bench.entry(build="#!/bin/sh\necho other > name\n"), sha256=shared + "b" * 52)
    assert one.tree_sha256 != other.tree_sha256
    assert bench.play(other, "print(open('name').read().strip())")[1] == "other\n"


def test_docker_and_process_agree_about_the_same_tree(bench):
    """Also with a link, an odd mode, a fifo and a file with two names in it."""
    odd = "mkdir -p a/b; echo x > a/b/c; chmod 600 a/b/c; ln -s /etc/passwd l; mkfifo p; ln a/b/c d"
    files = bench.entry(build=f"#!/bin/sh\n{odd}\n")
    in_docker = bench.build(files)
    as_process = ProcessSandbox(policy=bench.sandbox.policy, cache=bench.folder / "cache").build(
        files, entry_sha256="0" * 64, grade_id="g", log=bench.build_log, progress=Silent()
    )
    assert in_docker.tree_sha256 == as_process.tree_sha256
    assert (in_docker.size_bytes, in_docker.num_files) == (as_process.size_bytes, as_process.num_files)


def test_a_script_that_fails_is_quoted(bench):
    failure = failure_of(bench, "#!/bin/sh\necho no such wheel >&2\nexit 4\n")
    assert failure.code == "build.exit_status"
    assert "status 4" in failure.message
    assert "no such wheel" in failure.message
    details = bench.sandbox.details
    assert details["build_network"] != "nothing was built"
    for name, claim in {
        "container": "not inspected",
        "page_cache": "not dropped",
        "survivors": "not looked for",
    }.items():
        assert details[name] == f"{claim}: the entry was not run"


@pytest.mark.parametrize("first_line", ["#!/bin/bash\r\n", "#!/no/such/shell\n"])
def test_a_script_that_cannot_be_started_is_told_so(bench, first_line):
    assert failure_of(bench, f"{first_line}true\n").code == "build.not_executable"


def test_a_script_that_takes_too_long_is_stopped(bench):
    """Waited for, it would take longer than a test may."""
    failure = failure_of(bench, "#!/bin/sh\necho waiting\nsleep 600\n", build_timeout_s=2)
    assert failure.code == "build.timeout"
    assert "waiting" in failure.message


def test_a_script_that_needs_too_much_memory_is_told_so(bench):
    failure = failure_of(bench, "#!/bin/sh\nexec python3 -c 'b = bytes(1 << 30); b = b + b'\n")
    assert failure.code == "build.memory"
    assert "0.2 GiB" in failure.message, "the limit that was in force"


def test_a_build_killed_from_outside_is_nobodys_fault_and_not_called_out_of_memory(bench):
    """As by `docker kill`: the entrant could do nothing about it."""

    def kill():
        while not bench.build_log.exists() or "waiting" not in bench.build_log.read_text():
            is_over.wait(0.05)
        label = f"wmc.owner={owner.this_process()}"
        for container in bench.client.containers.list(filters={"label": label}):
            if container.name.startswith("wmc-build-"):
                container.kill()

    is_over = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SandboxFailed) as caught:
        bench.build(bench.entry(build="#!/bin/sh\necho waiting\nsleep 600\n"))
    killer.join()
    assert caught.value.code == "sandbox.ended_from_outside"
    assert "memory" not in caught.value.message.replace("not for memory", "")


def test_a_script_that_fills_the_disk_is_stopped_early(bench):
    """The watch ends it: by itself it would write 20 GiB."""
    failure = failure_of(bench, "#!/bin/sh\nexec dd if=/dev/zero of=big bs=1M count=20000 status=none\n")
    assert failure.code == "build.size"


def test_deleted_files_that_still_take_room_are_noticed(bench):
    """The free space of the disk is watched too; here the reserve is more than there is."""
    sandbox = DockerSandbox(
        policy=replace(bench.sandbox.policy, disk_reserve_bytes=1 << 60), cache=bench.folder / "cache"
    )
    with pytest.raises(SandboxFailed) as caught:
        bench.build(bench.entry(build="#!/bin/sh\nsleep 60\n"), sandbox=sandbox)
    assert caught.value.code == "sandbox.disk"


def test_too_many_files_are_refused(bench):
    failure = failure_of(bench, "#!/bin/sh\nfor i in $(seq 3000); do : > f$i; done\n")
    assert failure.code == "build.files"


def test_a_sparse_file_counts_as_long_as_it_says(bench):
    """Otherwise hashing it would never end."""
    assert failure_of(bench, "#!/bin/sh\ntruncate -s 10T big\n").code == "build.size"


def test_a_tree_deeper_than_a_path_can_say_is_refused(bench):
    dig = "import os\nfor _ in range(3000):\n    os.mkdir('d' * 20); os.chdir('d' * 20)\n"
    assert (
        failure_of(bench, f'#!/bin/sh\nexec python3 -c "{dig}"\n', entry_files=10_000).code
        == "build.unreadable"
    )


def test_a_flood_of_output_stays_within_the_cap(bench, policy):
    bench.build(bench.entry(build="#!/bin/sh\nyes flood | head -c 1000000\necho the end\n"))
    log = bench.build_log.read_bytes()
    assert len(log) <= policy.log_bytes
    assert log.endswith(b"the end\n")


def test_the_log_grows_while_the_script_runs(bench):
    """Read when the script said one of its two words; the wait is what stands between them."""
    lengths = set()
    is_over = threading.Event()

    def look():
        while not is_over.wait(0.05):
            if bench.build_log.exists():
                lengths.add(bench.build_log.read_text())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        bench.build(bench.entry(build="#!/bin/sh\necho early\nsleep 2\necho late\n"))
    finally:
        is_over.set()
        watcher.join()
    assert "early\n" in lengths
    assert bench.build_log.read_text() == "early\nlate\n"


def test_a_build_has_no_rights_either(bench):
    """Same user, same system calls, same read-only root as a run; only the network and /entry are added."""
    script = (
        "#!/bin/sh\nid -u; grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '[:blank:]'\n"
        "touch /usr/new 2>&1; python3 -c 'import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))'\n"
    )
    bench.build(bench.entry(build=script))
    assert bench.build_log.read_text().split("\n")[:-1] == [
        "210000",
        "CapBnd:0000000000000000",
        "NoNewPrivs:1",
        "Seccomp:2",
        "touch: cannot touch '/usr/new': Read-only file system",
        "-1",
    ]


def test_what_the_script_leaves_running_is_dead_and_cannot_change_the_entry(bench):
    """It writes without end: alive, it would have changed the volume before that is hashed once more."""
    daemon = "(setsid sh -c 'while :; do date +%N > beat; done' &)\nwhile [ ! -s beat ]; do :; done\n"
    files = bench.entry(build=f"#!/bin/sh\n{daemon}")
    first = bench.build(files)
    assert bench.build(files) == first
    assert bench.containers() == []


def test_a_gpu_that_is_not_there_is_known_before_anything_is_built(bench):
    """On a machine with a GPU and NVIDIA's toolkit, the thousandth one is not there either."""
    policy = replace(bench.sandbox.policy, gpu_device_ids=("999",))
    with pytest.raises(SandboxUnavailable) as caught:
        DockerSandbox(policy=policy, cache=bench.folder / "cache")
    assert caught.value.code == "sandbox.gpu"
    assert not (bench.folder / "cache").exists()
