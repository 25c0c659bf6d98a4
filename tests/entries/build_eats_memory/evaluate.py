#!/usr/bin/env python3
"""Its build was the attack."""

import kit

import wmc_guest

wmc_guest.serve(kit.Twin)
