"""What a build.sh reaches: the internet, but no listener on this host; and a twin with the block switched off."""

import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import pytest

from harness.sandbox import network
from harness.sandbox.container import DockerSandbox

pytestmark = [pytest.mark.docker]

CONNECT = """#!/usr/bin/env python3
import socket
for address in {addresses!r}:
    try:
        socket.create_connection((address, {port}), timeout=5).close()
        print("reached", address)
    except OSError as error:
        print("refused", address)
"""


@contextmanager
def listener():
    """Somebody on this host who answers at every address it has; its port."""
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))
        listening.listen()
        yield listening.getsockname()[1]


def gateway(client, name):
    return client.networks.get(name).attrs["IPAM"]["Config"][0]["Gateway"]


def own_address():
    """The address this host has in the network around it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]


def test_a_listener_on_this_host_is_out_of_reach(bench):
    if os.geteuid() != 0:
        pytest.fail("run the Docker tests as root: private networks cannot be blocked otherwise")
    bench.build(bench.entry())
    addresses = [gateway(bench.client, network.BRIDGE), gateway(bench.client, "bridge"), own_address()]
    with listener() as port:
        bench.build(bench.entry(build=CONNECT.format(addresses=addresses, port=port)))
    assert bench.build_log.read_text().splitlines() == [f"refused {address}" for address in addresses]
    assert bench.sandbox.details["build_network"] == "bridge wmc-build, private networks blocked"


def test_it_is_reached_where_the_operator_says_so(bench):
    """The twin: the listener answers, so it is the block that refuses."""
    policy = replace(bench.sandbox.policy, block_private_networks=False)
    sandbox = DockerSandbox(policy=policy, cache=bench.folder / "cache")
    addresses = [gateway(bench.client, "bridge")]
    with listener() as port:
        bench.build(bench.entry(build=CONNECT.format(addresses=addresses, port=port)), sandbox=sandbox)
    assert bench.build_log.read_text() == f"reached {addresses[0]}\n"
    assert "private networks reachable" in sandbox.details["build_network"]


def test_rules_that_somebody_removed_are_back_for_the_next_build(bench):
    """A firewall that is reloaded forgets them."""
    bench.build(bench.entry())
    subprocess.run(
        ["iptables", "--wait", "--delete", "INPUT", "-i", network.BRIDGE, "-j", "WMC-BUILD-HOST"], check=True
    )
    address = gateway(bench.client, network.BRIDGE)
    with listener() as port:
        bench.build(bench.entry(build=CONNECT.format(addresses=[address], port=port)))
    assert bench.build_log.read_text() == f"refused {address}\n"


def test_rules_are_not_piled_up(bench):
    for _ in range(2):
        bench.build(bench.entry())
    listed = subprocess.run(["iptables-save", "-t", "filter"], capture_output=True, text=True, check=True)
    jumps = [line for line in listed.stdout.splitlines() if f"-i {network.BRIDGE} -j WMC-" in line]
    assert sorted(jumps) == [
        "-A DOCKER-USER -i wmc-build -j WMC-BUILD",
        "-A INPUT -i wmc-build -j WMC-BUILD-HOST",
    ]


def test_what_is_found_again_says_what_its_build_could_reach(bench):
    files = bench.entry()
    first = bench.build(files)
    sandbox = DockerSandbox(
        policy=replace(bench.sandbox.policy, block_private_networks=False), cache=bench.sandbox._cache
    )
    assert bench.build(files, sandbox=sandbox) == first
    assert sandbox.details["build_network"] == first.network
