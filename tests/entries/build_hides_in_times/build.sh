#!/usr/bin/env python3
"""Another entry at every build, in the times of its files."""

import os
import secrets

os.utime("evaluate.py", ns=(0, secrets.randbits(60)))
