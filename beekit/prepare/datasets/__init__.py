"""One module for each public dataset, which reads its raw files. Facts are in `public.yaml`.

Each module has a function `prepare`, and may have a function `add_arguments` for further arguments
of its own. Its docstring is the help of `beekit prepare NAME`.
"""
