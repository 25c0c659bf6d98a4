"""What a real build.sh makes of an entry, and what its container moves over the network."""

import gzip
import json
import sys
import threading
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SandboxFailed
from harness.progress import Silent
from harness.sandbox import flags, network, traffic
from harness.sandbox.network import BuildNetwork
from harness.sandbox.process import ProcessSandbox
from harness.sandbox.supply import Share, Traffic

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
from listening import listening

pytestmark = [pytest.mark.docker]

DOWNLOAD_BYTES = 5_000_000
BUILD = """#!/bin/sh
set -e
printf more >> evaluate.py
rm data
mkdir -p lib/sums lib/sums-2.1.dist-info
printf 1 > lib/sums/__init__.py
printf 'Name: sums\\nVersion: 2.1\\n' > lib/sums-2.1.dist-info/METADATA
printf 'sums/__init__.py,sha256=a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s,1\\nsums/b.py,sha256=AAAA,1\\n' \
    > lib/sums-2.1.dist-info/RECORD
head -c 100000 /dev/zero > weights
ln weights again
ln -s /etc/passwd link
mkfifo pipe
"""
FETCH = """#!/usr/bin/env python3
import socket
with socket.create_connection(({address!r}, {port}), timeout=20) as connection:
    while connection.recv(1 << 16):
        pass
"""


@contextmanager
def sending(size_bytes, *, callers=1):
    """The port of a server that sends so many bytes to each of its callers, as fast as it can."""
    with listening() as listener:
        listener.settimeout(60)

        def serve():
            for _ in range(callers):
                with suppress(OSError), listener.accept()[0] as caller:
                    caller.sendall(bytes(size_bytes))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def entry(bench, build):
    files = bench.entry(build=build)
    (files / "data").write_text("12345")
    return files


def lines_of(built):
    with gzip.open(built.inventory) as file:
        return [json.loads(line) for line in file]


def test_the_difference_is_measured_and_found_again(bench):
    files = entry(bench, BUILD)
    built = bench.build(files)
    supply = built.supply
    assert supply.as_sent.files == 1
    assert supply.changed.files == 1
    assert supply.removed == Share(files=1, size_bytes=5)
    assert supply.added.files == 7
    assert (supply.largest[0].path, supply.largest[0].size_bytes) == ("again", 100_000)
    (package,) = supply.packages
    assert (package.name, package.version, package.holds) == ("sums", "2.1", False)
    assert (package.listed, package.matching, package.missing) == (2, 1, 1)
    assert bench.build(files) == built


def test_docker_and_process_write_the_same_inventory(bench):
    files = entry(bench, BUILD)
    in_docker = bench.build(files)
    as_process = ProcessSandbox(policy=bench.sandbox.policy, cache=bench.folder / "cache").build(
        files, entry_sha256="0" * 64, grade_id="g", log=bench.build_log, progress=Silent()
    )
    assert lines_of(in_docker) == lines_of(as_process)
    assert replace(in_docker.supply, traffic=Traffic()) == replace(as_process.supply, traffic=Traffic())
    assert in_docker.inventory_sha256 == as_process.inventory_sha256


@pytest.fixture
def host_address(bench, monkeypatch):
    """This host, as a build.sh reaches it on a network where nothing is blocked."""
    name = f"wmc-test-{uuid.uuid4().hex[:8]}"
    made = bench.client.networks.create(name, driver="bridge")
    monkeypatch.setattr(
        network,
        "build_network",
        lambda client, policy: BuildNetwork(settings={"network_mode": name}, description="open"),
    )
    made.reload()
    yield made.attrs["IPAM"]["Config"][0]["Gateway"]
    made.remove()


def test_every_byte_that_comes_in_is_counted_to_the_last(bench, host_address):
    """Control: the network outlives build.sh, whose last act here is to download. Nothing is left of it all."""
    with sending(DOWNLOAD_BYTES) as port:
        script = FETCH.format(address=host_address, port=port)
        moved = bench.build(bench.entry(build=script)).supply.traffic
    assert DOWNLOAD_BYTES <= moved.received_bytes < 1.2 * DOWNLOAD_BYTES
    assert 0 < moved.sent_bytes < DOWNLOAD_BYTES / 5
    assert bench.containers() == []


ASK = """#!/usr/bin/env python3
import socket, ssl
for name in ("weights.example.org", "other.example.org"):
    with socket.create_connection(({address!r}, {port}), timeout=20) as connection:
        try:
            ssl.create_default_context().wrap_socket(connection, server_hostname=name)
        except OSError:
            pass
try:
    socket.create_connection(({address!r}, 9), timeout=2)
except OSError:
    pass
"""


def test_whom_it_spoke_to_is_told(bench, host_address):
    """Names as the client gave them, in TLS; a port where nobody answers; and no loss under a download."""
    with sending(DOWNLOAD_BYTES, callers=3) as port:
        script = ASK.format(address=host_address, port=port) + FETCH.format(address=host_address, port=port)
        moved = bench.build(bench.entry(build=script)).supply.traffic
    told = {(each.asked, each.address, each.port): (each.tried, each.answered) for each in moved.destinations}
    assert told == {
        ("weights.example.org", host_address, port): (1, 1),
        ("other.example.org", host_address, port): (1, 1),
        ("", host_address, port): (1, 1),
        ("", host_address, 9): (1, 0),
    }
    assert (moved.destinations_found, moved.unheard) == (4, "")


def test_a_network_that_our_own_helper_takes_away_is_not_the_entrys_fault(bench):
    """Control: the look at the helper after a failed build. Otherwise the entrant would be told to mend build.sh."""

    def end_it():
        while not bench.build_log.exists() or "waiting" not in bench.build_log.read_text():
            is_over.wait(0.05)
        for name in bench.containers():
            if name.startswith("wmc-network-"):
                bench.client.containers.get(name).kill()

    is_over = threading.Event()
    ender = threading.Thread(target=end_it)
    ender.start()
    with pytest.raises(SandboxFailed) as caught:
        bench.build(bench.entry(build="#!/bin/sh\necho waiting\nsleep 6\nexit 1\n"))
    ender.join()
    assert caught.value.code == "sandbox.helper"


def test_a_build_that_asks_nobody_moves_next_to_nothing(bench):
    moved = bench.build(bench.entry()).supply.traffic
    assert moved.received_bytes < 10_000
    assert moved.missing == ""


def test_who_holds_the_network_has_nothing_of_the_entrys_and_may_only_listen(bench, monkeypatch):
    seen = {}
    honest = traffic.Line.traffic

    def look(line):
        line.holder.reload()
        seen.update(line.holder.attrs)
        return honest(line)

    monkeypatch.setattr(traffic.Line, "traffic", look)
    bench.build(bench.entry())
    assert seen["Mounts"] == []
    host = seen["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"], host["ReadonlyRootfs"]) == (["ALL"], ["NET_RAW"], True)


def test_on_a_runtime_that_shares_no_network_it_is_said_that_nothing_was_counted(bench, monkeypatch):
    monkeypatch.setattr(traffic, "_SHARES_NAMESPACES", frozenset())
    moved = bench.build(bench.entry()).supply.traffic
    assert (moved.received_bytes, moved.missing) == (None, "not known on the runtime runc")


def test_the_policy_in_force_is_the_one_that_containers_have(bench):
    said = bench.sandbox.in_force
    json.dumps(said, allow_nan=False)
    limits = flags.hardened(bench.sandbox.policy, bench.sandbox.policy.run, bench.sandbox.facts, grade="g")
    assert said["run"]["memory_bytes"] == limits["mem_limit"]
    assert int(said["run"]["cpus"] * 1e9) == limits["nano_cpus"]
    assert said["runtime"] == bench.sandbox.facts.default_runtime
