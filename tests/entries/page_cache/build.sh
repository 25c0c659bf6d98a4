#!/bin/sh
exec dd if=/dev/zero of=pages bs=4096 count=4672 conv=fdatasync status=none
