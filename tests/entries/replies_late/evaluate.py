#!/usr/bin/env python3
"""Answers after the limit for one reply."""

import time

import kit


def late(stream, t, batch, body):
    time.sleep(60)
    stream.sendall(kit.reply(t, batch, body))


kit.lie(late)
