"""`python -m focal_ref`: the command `focal-ref`."""

import sys

from .commands.main import main

if __name__ == "__main__":
    sys.exit(main())
