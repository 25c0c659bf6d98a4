#!/usr/bin/env python3
"""Sends open files along with its answers, a hundred at a time, to use up the host's."""

import array
import os
import socket

import kit

import wmc_guest

FILES = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]


class Spammer(wmc_guest._Session):
    """Answers in pieces with descriptors on each."""

    def _send(self, kind, t, batch, *payload):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", FILES))]
        body = b"".join(bytes(memoryview(part).cast("B")) for part in payload)
        message = memoryview(kit.reply(t, batch, body, kind=kind))
        while message:
            message = message[self.stream.sendmsg([message[:100_000]], rights) :]


with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(kit.GATE)
    Spammer(stream).run(kit.Twin)
