#!/usr/bin/env python3
"""Sleeps at the start: the host waits for a connection."""

import kit

kit.sleep_for_ever()
