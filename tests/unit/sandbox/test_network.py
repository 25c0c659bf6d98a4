"""What a build.sh may reach, as rules; that they hold is tried in tests/integration/test_docker_network.py."""

import ipaddress
import json
import os
import re

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import network
from harness.sandbox.policy import SandboxPolicy

OPEN = SandboxPolicy(block_private_networks=False)


def verdict(chain, address, *, port=80, protocol="tcp"):
    """What the rules of one chain do with a packet; None when it passes through."""
    for line in network.rules(["10.0.0.53"]).splitlines():
        if not line.startswith(f"-A {chain} "):
            continue
        words = dict(re.findall(r"(--?\w+) (\S+)", line))
        if (
            ipaddress.ip_address(address) in ipaddress.ip_network(words.get("-d", "0.0.0.0/0"))
            and words.get("-p", protocol) == protocol
            and int(words.get("--dport", port)) == port
        ):
            return words["-j"]
    return None


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.17.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.251",
    ],
)
def test_private_addresses_are_refused(address):
    assert verdict("WMC-BUILD", address) == "REJECT"


@pytest.mark.parametrize("address", ["151.101.0.223", "172.32.0.1", "11.0.0.1", "9.255.255.255"])
def test_the_internet_is_not(address):
    assert verdict("WMC-BUILD", address) is None


@pytest.mark.parametrize("chain", ["WMC-BUILD", "WMC-BUILD-HOST"])
def test_of_a_private_nameserver_names_can_be_asked_and_nothing_else(chain):
    assert {verdict(chain, "10.0.0.53", port=53, protocol=name) for name in ("udp", "tcp")} == {"RETURN"}
    assert verdict(chain, "10.0.0.53", port=80) == "REJECT"
    assert verdict(chain, "10.0.0.54", port=53, protocol="udp") == "REJECT"


def test_this_host_is_refused_by_every_address_it_has():
    assert verdict("WMC-BUILD-HOST", "8.8.8.8", port=22) == "REJECT"


def test_nameservers_are_read_and_nothing_but_addresses_gets_into_the_rules(tmp_path):
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 10.0.0.53\nnameserver 127.0.0.53\nnameserver ::1\nnameserver\nsearch lan\n")
    other = tmp_path / "other"
    other.write_text("# nameserver 9.9.9.9\nnameserver 10.0.0.53\nnameserver 8.8.8.8\nnameserver x/0\n")
    assert network.resolvers([resolv, other, tmp_path / "none"]) == ("10.0.0.53", "8.8.8.8")


def test_where_nothing_can_be_blocked_it_is_said(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = network.build_network(None, SandboxPolicy())
    assert found.description == "bridge, private networks reachable: only root can block them"
    assert "only root" in found.warning


def test_a_packet_filter_that_refuses_stops_the_build(monkeypatch):
    """Nobody wants a build that is thought to be blocked and is not."""
    refused = network.subprocess.CompletedProcess(["iptables-restore"], 2, "", "no such target")
    monkeypatch.setattr(network, "_iptables_restore", lambda _text: refused)
    with pytest.raises(SandboxFailed) as caught:
        network._ensure_rules([])
    assert caught.value.code == "sandbox.build_network"
    assert "no such target" in caught.value.message


@pytest.mark.parametrize(
    ("proxy", "is_passed"), [("http://proxy.lan:3128", True), ("http://me:secret@proxy.lan:3128", False)]
)
def test_a_proxy_with_a_password_is_not_given_to_an_entry(monkeypatch, tmp_path, proxy, is_passed):
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": proxy}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert network.build_network(None, OPEN).settings["use_config_proxy"] is is_passed
