#!/usr/bin/env python3
"""Eats more memory than it was given, while it is asked."""

import kit


def eat(stream, t, batch, body):
    eaten = [b"x" * (1 << 24) for _ in range(24)]
    stream.sendall(kit.reply(t, batch, body))
    del eaten


kit.lie(eat)
