"""What a build.sh reaches: the internet, but no listener on this host; and a twin with the block switched off."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.sandbox import network
from harness.sandbox.container import DockerSandbox

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
from listening import DEFAULT_BRIDGE, address_of, listener, own_address

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


def test_a_listener_on_this_host_is_out_of_reach(bench):
    if os.geteuid() != 0:
        pytest.fail("run the Docker tests as root: private networks cannot be blocked otherwise")
    bench.build(bench.entry())
    addresses = [address_of(network.BRIDGE), address_of(DEFAULT_BRIDGE), own_address()]
    with listener() as port:
        bench.build(bench.entry(build=CONNECT.format(addresses=addresses, port=port)))
    assert bench.build_log.read_text().splitlines() == [f"refused {address}" for address in addresses]
    assert bench.sandbox.details["build_network"] == "bridge wmc-build, private networks blocked"


def test_it_is_reached_where_the_operator_says_so(bench):
    """The twin: the listener answers, so it is the block that refuses."""
    policy = replace(bench.sandbox.policy, block_private_networks=False)
    sandbox = DockerSandbox(policy=policy, cache=bench.folder / "cache")
    addresses = [address_of(DEFAULT_BRIDGE)]
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
    address = address_of(network.BRIDGE)
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
