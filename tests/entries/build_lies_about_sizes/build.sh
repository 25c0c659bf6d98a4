#!/bin/sh
# A file that says it is ten terabytes: to hash it would take a day.
exec truncate -s 10T sparse
