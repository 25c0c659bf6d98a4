#!/usr/bin/env python3
"""Another entry at every build, in what no listing shows: attributes of a file."""

import os
import secrets

os.setxattr("evaluate.py", "user.model", secrets.token_bytes(16))
