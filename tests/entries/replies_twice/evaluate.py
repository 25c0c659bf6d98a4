#!/usr/bin/env python3
"""Sends an answer and the beginning of another one; the last piece of both goes in one packet."""

import kit


def twice(stream, t, batch, body):
    message = kit.reply(t, batch, body)
    stream.sendall(message[:-1000])
    stream.sendall(message[-1000:] + kit.reply(t, batch, body)[:1000])
    kit.sleep_for_ever()


kit.lie(twice)
