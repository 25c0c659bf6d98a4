#!/bin/sh
# Writes wherever the next build might look: package caches, byte code, settings, what Python loads by itself.
for place in "$HOME" "$HOME/.cache/pip" "$HOME/.config/pip" "$HOME/.local/lib/python3.11/site-packages" /var/tmp \
    /usr/local/lib/python3.11/dist-packages /usr/lib/python3/dist-packages /etc /root /opt/wmc_guest /dev/shm; do
    mkdir -p "$place" && for name in sitecustomize.py pip.conf usercustomize.py poison; do
        echo 'print("poisoned")' >"$place/$name"
    done
done 2>/dev/null
true
