#!/bin/sh
# More memory than a build may have.
exec python3 -c 'b = bytes(1 << 30); b = b + b'
