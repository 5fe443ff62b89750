"""CiteULike-a as a dataset folder.

    python data_prep/citeulike_a.py OUT

The same as `beekit prepare citeulike_a`: beekit/prepare/datasets/citeulike_a.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("citeulike_a"))
