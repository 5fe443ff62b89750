"""Amazon Books of 2018 or 2014 as a dataset folder.

    python data_prep/amazon_books.py OUT [--year 2018] [--items FILE] [--images]

The same as `beekit prepare amazon_books`: beekit/prepare/datasets/amazon_books.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("amazon_books"))
