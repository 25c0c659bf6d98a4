#!/usr/bin/env python3
"""Sends a first answer together with READY, before anything was asked."""

import json
import socket

import kit

from wmc_guest import Kind

with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(kit.GATE)
    header = kit.exactly(stream, kit.HEADER.size)
    kit.exactly(stream, kit.HEADER.unpack(header)[-1])
    terms = json.dumps({"max_batch": 1, "logits_dtype": "<f4", "causal": False}).encode()
    early = kit.reply(1, 1, b"", size=16 * 16 * 1028 * 4)
    stream.sendall(kit.reply(0, 0, terms, kind=Kind.READY) + early)
    kit.sleep_for_ever()
