#!/usr/bin/env python3
"""Announces a whole answer and sends half of it."""

import kit


def half(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, body)[: len(body) // 2])
    kit.sleep_for_ever()


kit.lie(half)
