#!/usr/bin/env python3
"""Blocks and ignores every signal it may, and stays when the host has said goodbye."""

import contextlib
import signal

import kit

import wmc_guest

for number in signal.valid_signals():
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
with contextlib.suppress(BaseException):
    wmc_guest.serve(kit.Twin)
kit.sleep_for_ever()
