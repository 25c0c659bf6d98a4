#!/usr/bin/env python3
"""Logits at the ends of float32, where exponentials and float32 sums overflow."""

import kit
import numpy as np

import wmc_guest


class Huge(kit.Twin):
    """Sure of the last frame as only the largest float can be."""

    def predict(self):
        logits_BHWFV, tokens_BHW = super().predict()
        largest = np.finfo(np.float32).max
        return np.where(logits_BHWFV > 0, largest, -largest), tokens_BHW


wmc_guest.serve(Huge)
