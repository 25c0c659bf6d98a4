#!/usr/bin/env python3
"""Closes its half of the stream within an answer, and stays."""

import socket

import kit


def close_half(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, body)[:1000])
    stream.shutdown(socket.SHUT_WR)
    kit.sleep_for_ever()


kit.lie(close_half)
