#!/bin/sh
# Twenty gigabytes of zeros.
exec dd if=/dev/zero of=big bs=1M count=20000 status=none
