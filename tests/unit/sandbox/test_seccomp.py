"""The profile as text; what the kernel makes of it is tested in tests/integration/test_docker_isolation.py."""

import json

import pytest

from harness.sandbox.policy import seccomp_profile, seccomp_sha256

PROFILE = json.loads(seccomp_profile())
ALLOWED = {
    name
    for rule in PROFILE["syscalls"]
    if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
    for name in rule["names"]
}


def rules_for(name):
    return [rule for rule in PROFILE["syscalls"] if name in rule["names"]]


def test_what_is_not_allowed_is_refused():
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {rule["action"] for rule in PROFILE["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}


@pytest.mark.parametrize(
    "family",
    [
        "ptrace",
        "process_vm",
        "io_uring",
        "userfaultfd",
        "perf_event",
        "key",
        "bpf",
        "mount",
        "umount",
        "fsopen",
    ],
)
def test_no_call_of_a_dangerous_family_is_listed(family):
    listed = {name for rule in PROFILE["syscalls"] for name in rule["names"]}
    assert [name for name in listed if name.startswith(family)] == []


@pytest.mark.parametrize(
    "name", ["unshare", "setns", "pivot_root", "chroot", "open_by_handle_at", "pidfd_getfd", "kcmp"]
)
def test_no_call_that_leaves_the_container_is_listed(name):
    assert rules_for(name) == []


def test_only_four_socket_families_are_allowed():
    rules = [rule["args"] for rule in rules_for("socket")]
    assert {argument["op"] for arguments in rules for argument in arguments} == {"SCMP_CMP_EQ"}
    asked = sorted([(argument["index"], argument["value"]) for argument in arguments] for arguments in rules)
    assert asked == [[(0, 1)], [(0, 2)], [(0, 10)], [(0, 16), (2, 0)]]


@pytest.mark.parametrize(("name", "resource"), [("setrlimit", 0), ("prlimit64", 1)])
def test_the_limit_on_core_files_cannot_be_changed(name, resource):
    core = 4
    first = rules_for(name)[0]["args"]
    assert first == [{"index": resource, "value": core, "op": "SCMP_CMP_NE"}]
    reading = [rule["args"] for rule in rules_for(name)[1:]]
    assert reading == ([[{"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]] if name == "prlimit64" else [])


def test_clone_is_allowed_without_any_namespace_flag_only():
    [rule] = rules_for("clone")
    [argument] = rule["args"]
    namespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
    assert (argument["op"], argument["index"]) == ("SCMP_CMP_MASKED_EQ", 0)
    assert (argument["value"], argument["valueTwo"]) == (namespaces, 0)


def test_clone3_is_said_not_to_exist():
    [rule] = rules_for("clone3")
    assert (rule["action"], rule["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)


def test_no_second_system_call_table_is_open():
    """32-bit calls have another socket call, whose family hides behind a pointer."""
    assert [entry["subArchitectures"] for entry in PROFILE["archMap"]] == [[], []]


def test_a_conditional_call_has_no_unconditional_rule_beside_it():
    conditional = {name for rule in PROFILE["syscalls"] if "args" in rule for name in rule["names"]}
    assert conditional & ALLOWED == set()


def test_the_digest_is_of_what_containers_get():
    assert len(seccomp_sha256()) == 64
    assert "comment" not in seccomp_profile()
