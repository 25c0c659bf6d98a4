#!/usr/bin/env python3
"""Crashes in a child that holds what was shown: where the host pipes core dumps to a program, that runs as its root.

A limit of 0 on core files does not hold for pipes; one of 1 does, so it is lowered first.
"""

import contextlib
import os
import resource

import kit

import wmc_guest


class Crashing(kit.Twin):
    """Its twin, with a crash at the end of a window."""

    def predict(self):
        if self.frames_seen == 15 and os.fork() == 0:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.abort()
        return super().predict()


wmc_guest.serve(Crashing)
