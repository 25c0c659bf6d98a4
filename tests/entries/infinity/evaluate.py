#!/usr/bin/env python3
"""An infinite logit: certain of itself beyond any normalisation."""

import kit
import numpy as np


def poison(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, np.float32("inf").tobytes() + body[4:]))


kit.lie(poison)
