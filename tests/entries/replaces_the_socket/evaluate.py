#!/usr/bin/env python3
"""Unlinks, renames and replaces the gate, so that who comes next connects to it."""

import os
import socket

import kit


def bind_in_its_place():
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind("/held_out/other.sock")


kit.tell(
    {
        "bind": kit.tried(bind_in_its_place),
        "rename": kit.tried(os.rename, kit.GATE, "/held_out/mine.sock"),
        "rewrite metadata": kit.tried(open, "/held_out/metadata.json", "w"),
        "chmod": kit.tried(os.chmod, kit.GATE, 0o600),
        "unlink": kit.tried(os.unlink, "/held_out/metadata.json"),
    }
)
