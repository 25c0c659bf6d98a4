#!/usr/bin/env python3
"""Tells what its build hid."""

import os

import kit

kit.tell(os.getxattr("evaluate.py", "user.model").hex())
