#!/bin/sh
# A file without a name is in no listing, and takes room on the host's disk all the same: four times what is allowed.
exec 3>unseen
rm unseen
dd if=/dev/zero bs=1M count=256 status=none >&3
sleep 1
