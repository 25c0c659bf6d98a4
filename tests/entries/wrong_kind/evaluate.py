#!/usr/bin/env python3
"""Answers a question with another READY."""

import kit

from wmc_guest import Kind

kit.lie(lambda stream, t, batch, body: stream.sendall(kit.reply(t, batch, body, kind=Kind.READY)))
