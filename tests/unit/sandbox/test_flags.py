"""Limits that fit the machine; what containers really get is tested in tests/integration."""

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
