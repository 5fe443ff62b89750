"""MovieLens 20M as a dataset folder.

    python data_prep/ml20m.py OUT [--items FILE]

The same as `beekit prepare ml20m`: beekit/prepare/datasets/ml20m.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("ml20m"))
