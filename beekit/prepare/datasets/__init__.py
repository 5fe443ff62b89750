"""One module a public dataset: how its raw files become tables. Facts are in `public.yaml`.

Each has a function `prepare`, and may have `add_arguments` for arguments that it alone takes; its
docstring is the help of `beekit prepare NAME`.
"""
