#!/usr/bin/env python3
"""Forks as long as it may; its children only wait, so that others keep the processor."""

import os

import kit

ENOUGH = 400
children = 0
while children < ENOUGH:
    try:
        if os.fork() == 0:
            kit.sleep_for_ever()
    except OSError:
        break
    children += 1
kit.tell({"children": children})
