#!/usr/bin/env python3
"""One NaN among its logits: comparisons with it are false, so it would win."""

import kit
import numpy as np


def poison(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, np.float32("nan").tobytes() + body[4:]))


kit.lie(poison)
