"""goodbooks-10k as a dataset folder.

    python data_prep/goodbooks.py OUT [--items FILE]

The same as `beekit prepare goodbooks`: beekit/prepare/datasets/goodbooks.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("goodbooks"))
