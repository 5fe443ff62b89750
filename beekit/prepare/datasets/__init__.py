"""One module a public dataset: where it comes from, its terms, its tables and published counts.

Each has a `RECIPE`, and its docstring is the help of `beekit prepare NAME`.
"""
