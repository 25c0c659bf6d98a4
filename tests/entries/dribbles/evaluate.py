#!/usr/bin/env python3
"""Sends its answer byte by byte: a limit on silence would never be reached."""

import time

import kit


def dribble(stream, t, batch, body):
    for byte in kit.reply(t, batch, body):
        stream.sendall(bytes([byte]))
        time.sleep(0.02)


kit.lie(dribble)
