#!/bin/sh
# More files than an entry may have; each takes an inode of the host's.
exec python3 -c '
for number in range(100_000):
    open(f"f{number}", "w").close()'
