"""MovieLens 1M as a dataset folder.

    python data_prep/ml1m.py OUT [--min-value 4] [--user-min-support 5]

The same as `beekit prepare ml1m`: beekit/prepare/datasets/ml1m.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("ml1m"))
