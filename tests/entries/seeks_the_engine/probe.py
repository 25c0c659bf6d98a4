"""The engine's socket is root on the host; so are its neighbours."""

import os
import socket

import kit

PLACES = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "\0/containerd-shim/wmc.sock",
)


def connect(place):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(place)


def attempts():
    found = {place.replace("\0", "@"): kit.tried(connect, place) for place in PLACES}
    given = [name for name in os.environ if "DOCKER" in name or "KUBERNETES" in name]
    return {**found, "environment": "worked" if given else "none"}
