#!/usr/bin/env python3
"""Nothing: it is what the others are compared with."""

import kit

import wmc_guest

wmc_guest.serve(kit.Twin)
