#!/bin/sh
# Writes as fast as it can, in escapes.
yes "$(printf '\033[2Jflood <script>hostile_script()</script>')" | head -c 20000000
