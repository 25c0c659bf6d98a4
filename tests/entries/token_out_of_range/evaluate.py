#!/usr/bin/env python3
"""A predicted token beyond the vocabulary, which somebody may use as an index."""

import kit
import numpy as np


def beyond(stream, t, batch, body):
    stream.sendall(kit.reply(t, batch, body[:-4] + np.uint32(2**18).tobytes()))


kit.lie(beyond)
