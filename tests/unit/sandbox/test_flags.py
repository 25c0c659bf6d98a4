"""Limits that fit the machine; what containers really get is tested in tests/integration."""

import json
from dataclasses import fields

from harness.sandbox import flags
from harness.sandbox.engine import Engine
from harness.sandbox.policy import GIB, Limits, SandboxPolicy

ENGINE = Engine(
    version="1",
    default_runtime="runc",
    cpus=4,
    memory_bytes=16 * GIB,
    base_name="base",
    base_id="sha256:base",
)


def test_memory_leaves_some_for_the_host():
    assert flags.effective_memory_bytes(Limits(memory_bytes=8 * GIB), ENGINE) == 8 * GIB
    assert flags.effective_memory_bytes(Limits(memory_bytes=64 * GIB), ENGINE) == 14 * GIB


def test_there_are_never_more_cores_than_the_machine_has():
    """The engine refuses a container that asks for more."""
    assert flags.effective_cpus(Limits(memory_bytes=1), ENGINE) == 4
    assert flags.effective_cpus(Limits(memory_bytes=1, cpus=64), ENGINE) == 4
    assert flags.effective_cpus(Limits(memory_bytes=1, cpus=0.5), ENGINE) == 0.5


def test_containers_are_made_from_the_digest_and_not_from_a_name_that_may_move():
    policy = SandboxPolicy(base_image="base")
    assert flags.hardened(policy, policy.run, ENGINE, grade="g")["image"] == "sha256:base"


def test_swap_is_not_a_way_around_the_memory_limit():
    policy = SandboxPolicy()
    settings = flags.hardened(policy, policy.run, ENGINE, grade="g")
    assert settings["memswap_limit"] == settings["mem_limit"]


def test_every_container_says_whose_it_is():
    policy = SandboxPolicy()
    assert set(flags.hardened(policy, policy.run, ENGINE, grade="g")["labels"]) == {"wmc.grade", "wmc.owner"}


def test_the_policy_in_force_is_the_frozen_object_with_its_limits_clamped():
    """Every field of it, so that a new one is in the record without anybody thinking of it."""
    policy = SandboxPolicy(gpu_device_ids=("0",))
    said = flags.in_force(policy, ENGINE)
    assert json.loads(json.dumps(said)) == said
    assert set(said) == {field.name for field in fields(SandboxPolicy)} | {"seccomp_sha256"}
    assert set(said["build"]) == set(said["run"]) == {field.name for field in fields(Limits)}
    assert said["run"]["memory_bytes"] == 14 * GIB
    assert said["run"]["cpus"] == 4
    assert (said["runtime"], said["gpu_device_ids"]) == ("runc", ["0"])
    assert flags.in_force(SandboxPolicy(runtime="runsc"), ENGINE)["runtime"] == "runsc"
