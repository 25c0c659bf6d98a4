#!/bin/sh
# A daemon goes on writing into the entry after the build, when it has been hashed.
(setsid sh -c 'while :; do date +%N >beat; done' &)
while [ ! -s beat ]; do :; done
