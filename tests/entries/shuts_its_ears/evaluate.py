#!/usr/bin/env python3
"""Answers, and takes no more: the host's next message meets a closed stream."""

import socket

import kit


def answer_and_close(stream, t, batch, body):
    stream.shutdown(socket.SHUT_RD)
    stream.sendall(kit.reply(t, batch, body))
    kit.sleep_for_ever()


kit.lie(answer_and_close)
