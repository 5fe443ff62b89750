"""H&M Personalized Fashion Recommendations as a dataset folder.

    python data_prep/hm.py OUT --raw FOLDER_OR_ZIP [--no-images]

The same as `beekit prepare hm`: beekit/prepare/datasets/hm.py.
"""

from beekit.prepare.command import main

if __name__ == "__main__":
    raise SystemExit(main("hm"))
