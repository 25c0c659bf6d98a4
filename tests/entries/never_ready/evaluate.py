#!/usr/bin/env python3
"""Connects, and then says nothing."""

import socket

import kit

with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(kit.GATE)
    kit.sleep_for_ever()
