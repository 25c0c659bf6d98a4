#!/bin/sh
# Links, pipes, sockets and odd names wherever it can write: whoever follows one of them leaves the folder.
set -e
mkdir -p planted/deep
for target in / /etc/passwd /proc/self/root /proc/1/root /var/run/docker.sock /held_out ../../../../../../etc; do
    ln -s "$target" "planted/link$(echo "$target" | tr -c 'a-z' _)"
done
ln -s planted/loop planted/loop
ln evaluate.py planted/hard
mkfifo planted/fifo /tmp/fifo
python3 -c 'import socket; socket.socket(1).bind("planted/socket"); socket.socket(1).bind("/tmp/socket")'
touch 'planted/
line' "planted/$(printf '\033[2J')" 'planted/<script>hostile_script()<' "planted/$(printf '\377\376')"
ln -s /etc/shadow wmc_guest.py.orig
chmod 4755 planted/hard
chmod 000 planted/deep
chmod 4755 evaluate.py
