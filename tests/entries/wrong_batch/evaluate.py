#!/usr/bin/env python3
"""Answers for another batch."""

import kit

kit.lie(lambda stream, t, batch, body: stream.sendall(kit.reply(t, batch + 1, body)))
