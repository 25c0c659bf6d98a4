#!/usr/bin/env python3
"""Tells what its build hid."""

import os

import kit

kit.tell(os.stat("evaluate.py").st_mtime_ns)
