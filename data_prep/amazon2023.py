"""A category of Amazon Reviews 2023 as a dataset folder.

    python data_prep/amazon2023.py OUT --category Video_Games [--images]

The same as `beekit prepare amazon2023`: beekit/prepare/datasets/amazon2023.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("amazon2023"))
