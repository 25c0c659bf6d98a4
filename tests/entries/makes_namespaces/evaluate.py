#!/usr/bin/env python3
"""Tells what its probe found."""

import kit
import probe

kit.tell(probe.attempts())
