"""What an entry finds around it while it is graded. Each control is also switched off once, to see its test fail."""

import json
import platform
import socket

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import allotment, flags, inspection, lifecycle

pytestmark = [pytest.mark.docker]

EPERM, ENOSYS, SIGSYS = 1, 38, 31

EXPECTED = {
    "uid": 210_000,
    "groups": [210_000],
    "capabilities": 0,
    "no_new_privileges": 1,
    "seccomp": 2,
    "interfaces": ["lo"],
    "outside": "ENETUNREACH",
    "writable": ["/dev/mqueue", "/dev/shm", "/tmp"],
    "core_bytes": 1,
    "open_files": 4096,
    "tmp_mib": 64,
    "shm_mib": 16,
    "processes": 2,  # the init and the probe
    "environment": ["HOME", "HOSTNAME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"],
    "held_out": ["program.py"],
}

# Flags that switch controls off, several at a time where they have nothing to do with each other, and what then shows.
CONTROLS_OFF = [
    ({"user": "0:0"}, ["uid"]),
    (
        {
            "group_add": ["12"],
            "cap_drop": [],
            "ulimits": [],
            "tmpfs": {"/tmp": "rw,exec,mode=1777"},
            "shm_size": 64 << 20,
        },
        ["groups", "capabilities", "core_bytes", "open_files", "tmp_mib", "shm_mib"],
    ),
    ({"security_opt": ["seccomp=unconfined"]}, ["no_new_privileges", "seccomp"]),
    (
        {"network_mode": "bridge", "read_only": False, "pid_mode": "host"},
        ["interfaces", "outside", "writable", "processes"],
    ),
]


@pytest.fixture
def with_flags(monkeypatch):
    """Start containers with these flags instead of ours."""
    honest = lifecycle.container

    def replace(**other):
        def container(client, settings, **named):
            return honest(client, {**settings, **other}, **named)

        monkeypatch.setattr(lifecycle, "container", container)
        monkeypatch.setattr(inspection, "check", lambda *_: None)

    return replace


@pytest.fixture(scope="module")
def surroundings(puppet, program, policy, shared_cache, tmp_path_factory, docker_client, built_volumes):
    from harness.sandbox.container import DockerSandbox

    sandbox = DockerSandbox(policy=policy, cache=shared_cache)
    folder = tmp_path_factory.mktemp("surroundings")
    (folder / "program.py").write_text(program("probe_surroundings"))
    folder.chmod(0o755)
    log = folder.parent / "surroundings.log"
    with sandbox.run(puppet, grade_id="g", gate=folder, log=log) as guest:
        while guest.how_it_ended() is None:
            pass
    return json.loads(log.read_text())


@pytest.mark.parametrize("fact", EXPECTED)
def test_an_entry_finds_only_what_it_needs(surroundings, fact):
    assert surroundings[fact] == EXPECTED[fact]


def test_files_in_tmp_and_processes_are_counted(surroundings, policy):
    """Guards nr_inodes and pids_limit; a few of each are taken already."""
    assert 0.9 * policy.run.tmp_inodes < surroundings["tmp_files"] <= policy.run.tmp_inodes
    assert 0.9 * policy.run.pids < surroundings["children"] < policy.run.pids


@pytest.mark.parametrize(("off", "facts"), CONTROLS_OFF)
def test_the_probe_notices_when_a_control_is_off(bench, puppet, program, with_flags, off, facts):
    with_flags(**off)
    _, said = bench.play(puppet, program("probe_surroundings"))
    found = json.loads(said)
    assert [fact for fact in facts if found[fact] == EXPECTED[fact]] == []


def test_the_probe_notices_when_counts_are_not_limited(bench, puppet, program, with_flags, policy):
    with_flags(pids_limit=-1, tmpfs={"/tmp": "rw,exec,size=64m,mode=1777"})
    _, said = bench.play(puppet, program("probe_surroundings"))
    facts = json.loads(said)
    assert facts["tmp_files"] > policy.run.tmp_inodes
    assert facts["children"] > policy.run.pids


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the probe knows the numbers of x86-64")
def test_every_forbidden_system_call_is_refused(bench, puppet, program):
    """Guards seccomp.json. `test_the_probe_gets_through_without_our_profile` is its twin."""
    _, said = bench.play(puppet, program("probe_system_calls"))
    answers = json.loads(said)
    allowed = {f"socket({family})" for family in (1, 2, 10, 16)}
    assert {name: answers.pop(name) for name in allowed} == dict.fromkeys(allowed, 0)
    assert answers.pop("clone3") == ENOSYS, "libc must fall back to clone, whose flags can be seen"
    assert answers.pop("int 0x80") == answers.pop("x32") == -SIGSYS
    assert answers == dict.fromkeys(answers, EPERM)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the probe knows the numbers of x86-64")
def test_the_probe_gets_through_without_our_profile(bench, puppet, program, with_flags):
    """Capabilities alone stop none of these on this kernel, so it is the profile that does."""
    with_flags(security_opt=["no-new-privileges", "seccomp=unconfined"])
    _, said = bench.play(puppet, program("probe_system_calls"))
    answers = json.loads(said)
    for name in (
        "ptrace",
        "process_vm_readv",
        "kcmp",
        "userfaultfd",
        "clone(user)",
        "unshare(user+net)",
        "clone3",
    ):
        assert answers[name] == 0, name
    assert EPERM not in {answers["io_uring_setup"], answers["keyctl"], answers["bpf"], answers["setns"]}
    assert EPERM not in {answers["socket(38)"], answers["socket(40)"], answers["int 0x80"]}


WRITE = """
for name in ("/entry/new", "/entry/build.sh", "/held_out/new", "/opt/wmc_guest/new", "/usr/new"):
    try:
        open(name, "a").close()
        print(name, "written")
    except OSError as error:
        print(name, error.errno)
"""


def test_every_mount_and_the_root_are_read_only(bench, puppet):
    """30 is EROFS: not even root could."""
    _, said = bench.play(puppet, WRITE)
    names = ("/entry/new", "/entry/build.sh", "/held_out/new", "/opt/wmc_guest/new", "/usr/new")
    assert said.splitlines() == [f"{name} 30" for name in names]


def test_a_mount_that_is_not_read_only_is_noticed(bench, monkeypatch):
    honest = flags.entry_mount
    monkeypatch.setattr(allotment, "freeze", lambda *_: None)  # else the file system itself is read only
    built = bench.build(bench.entry())
    monkeypatch.setattr(inspection, "check", lambda *_: None)
    monkeypatch.setattr(flags, "entry_mount", lambda volume, *, read_only: honest(volume, read_only=False))
    _, said = bench.play(built, WRITE)
    assert said.splitlines()[:2] == ["/entry/new written", "/entry/build.sh written"]


def test_the_gate_can_be_talked_to_through_a_read_only_mount(bench, puppet):
    gate = bench.gate(
        "import socket; s = socket.socket(1); s.connect('/held_out/gate.sock'); s.send(b'hello')"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(gate / "gate.sock"))
        (gate / "gate.sock").chmod(0o666)
        listener.listen()
        listener.settimeout(20)
        with bench.sandbox.run(puppet, grade_id="g", gate=gate, log=bench.run_log):
            stream, _ = listener.accept()
            with stream:
                assert stream.recv(5) == b"hello"


def test_the_guest_module_is_on_the_path(bench, puppet):
    ended, said = bench.play(puppet, "import wmc_guest; print(wmc_guest.__file__, callable(wmc_guest.serve))")
    assert (ended, said) == ("exited with status 0", "/opt/wmc_guest/wmc_guest.py True\n")


def test_a_container_has_no_mount_device_or_right_beyond_the_allow_list(bench, puppet, policy):
    """What is not in this list was not given: read from the engine, not from our flags."""
    with bench.sandbox.run(
        puppet, grade_id="g", gate=bench.gate("import time; time.sleep(60)"), log=bench.run_log
    ) as guest:
        attributes = bench.client.api.inspect_container(guest.container.id)
    host = attributes["HostConfig"]
    mounts = {(mount["Type"], mount["Destination"], mount["RW"]) for mount in attributes["Mounts"]}
    assert mounts == {
        ("volume", flags.ENTRY_FOLDER, False),
        ("bind", flags.GATE_FOLDER, False),
        ("bind", flags.GUEST_FOLDER, False),
    }
    empty = ("Binds", "CapAdd", "Devices", "DeviceRequests", "VolumesFrom", "GroupAdd", "ExtraHosts", "Links")
    assert {key: host[key] for key in empty if host.get(key)} == {}
    assert not host["Privileged"]
    assert not host["PublishAllPorts"]
    assert not host["PortBindings"]
    assert host["CapDrop"] == ["ALL"]
    assert {key: host[key] for key in ("PidMode", "UTSMode", "UsernsMode", "CgroupParent")} == dict.fromkeys(
        ("PidMode", "UTSMode", "UsernsMode", "CgroupParent"), ""
    )
    assert (host["NetworkMode"], host["IpcMode"], host["ReadonlyRootfs"]) == ("none", "private", True)
    assert (host["Memory"], host["MemorySwap"]) == (policy.run.memory_bytes,) * 2
    assert (host["PidsLimit"], host["Init"]) == (policy.run.pids, True)
    assert host["LogConfig"]["Type"] == "local"
    assert sorted(option.split("=")[0] for option in host["SecurityOpt"]) == ["no-new-privileges", "seccomp"]
    assert set(host["Tmpfs"]) == {"/tmp"}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"network_mode": "bridge"}, "NetworkMode"),
        ({"volumes": {"/var/run/docker.sock": {"bind": "/run/docker.sock", "mode": "ro"}}}, "docker.sock"),
        ({"privileged": True}, "Privileged"),
        ({"environment": {"PYTHONPATH": "/opt/wmc_guest", "SECRET": "1"}}, "SECRET"),
    ],
)
def test_a_container_beyond_the_allow_list_is_never_started(bench, puppet, monkeypatch, wrong, named):
    """Guards the inspection: whatever led to it, an engine that was asked for less made this."""
    honest = lifecycle.container
    monkeypatch.setattr(
        lifecycle,
        "container",
        lambda client, settings, **named: honest(client, {**settings, **wrong}, **named),
    )
    with pytest.raises(SandboxFailed) as caught:
        bench.play(puppet, "print('it ran')")
    assert caught.value.code == "sandbox.not_as_asked"
    assert named in caught.value.message
    assert bench.run_log.read_text() == ""


def test_nothing_is_inherited_by_two_runs_of_one_entry(bench, puppet):
    """A file left in /tmp or /dev/shm by the first run is not there in the second."""
    program = (
        "import os, pathlib\n"
        "for folder in ('/tmp', '/dev/shm', '/dev/mqueue'):\n"
        "    print(os.listdir(folder))\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    pathlib.Path(folder, 'left').touch()\n"
    )
    for _ in range(2):
        _, said = bench.play(puppet, program)
        assert said.split() == ["[]", "[]", "[]"]
