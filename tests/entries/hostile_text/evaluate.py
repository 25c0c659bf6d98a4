#!/usr/bin/env python3
"""Writes terminal escapes and mark-up wherever it may: its manifest, its output, its name, its last words."""

import ctypes
import sys

import kit

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\u202e<script>hostile_script()</script>\r\x08"
ctypes.CDLL(None).prctl(15, b"\x1b[2J<script>", 0, 0, 0)  # PR_SET_NAME
print(HOSTILE, flush=True)
print(HOSTILE, file=sys.stderr, flush=True)


class Rude(kit.Twin):
    """Fails in words of its own."""

    def predict(self):
        raise RuntimeError(HOSTILE)


kit.wmc_guest.serve(Rude)
