#!/usr/bin/env python3
"""Announces an answer of nine exabytes."""

import kit

kit.lie(lambda stream, t, batch, body: stream.sendall(kit.reply(t, batch, body, size=2**63)))
