"""`python -m beekit` is the command `beekit`, also under launchers such as torchrun."""

import sys

from beekit.cli import main

if __name__ == "__main__":
    sys.exit(main())
