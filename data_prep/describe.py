r"""One paragraph about each item by a chat model, as a new column of a dataset folder.

    python data_prep/describe.py books --fields "{title}. {authors}. {tags}" \
        --model NAME --endpoint http://localhost:8000/v1 --concurrency 64

The same as `beekit describe`: beekit/describe/command.py.
"""

from beekit.describe.command import main

if __name__ == "__main__":
    raise SystemExit(main())
