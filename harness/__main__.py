"""`python -m harness` is `wmc`."""

import sys

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
