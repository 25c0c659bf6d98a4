#!/bin/sh
# Never ends, and ignores whoever asks it to.
trap '' TERM INT HUP
while :; do sleep 1; done
