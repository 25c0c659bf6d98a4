#!/usr/bin/env python3
"""Stops every clock it can reach, and takes its time."""

import time

import kit

import wmc_guest

sleep = time.sleep
for name in ("time", "monotonic", "perf_counter", "process_time"):
    setattr(time, name, lambda: 0.0)
    setattr(time, f"{name}_ns", lambda: 0)


class Slow(kit.Twin):
    """Its twin, asleep for a while at each question."""

    def predict(self):
        sleep(0.05)
        return super().predict()


wmc_guest.serve(Slow)
