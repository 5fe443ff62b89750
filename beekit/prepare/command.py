"""`beekit prepare`: arguments of every public dataset, and one line for what the user can mend."""

from __future__ import annotations

import argparse
import logging
import pkgutil
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from beekit.errors import ConfigError
from beekit.exit_codes import exit_code
from beekit.prepare import datasets
from beekit.prepare.build import RawDataset, build, require_free, summary
from beekit.prepare.download import fetch
from beekit.prepare.interactions import Filters
from beekit.prepare.raw import RawFile


class Options(argparse.Namespace):
    """The arguments of every dataset, as `_parser` has them; those of one are attributes too."""

    out: Path
    cache: Path
    url: str
    items: Path | None
    sha256: list[tuple[str, str]]
    max_malformed: float
    min_value: float | None
    user_min_support: int
    duplicates: str

    def fetch(self, path: str, *, md5_beside: bool = False) -> RawFile:
        """The raw file at `url`/`path`, in the cache."""
        name = path.rsplit("/", 1)[-1]
        return fetch(
            f"{self.url.rstrip('/')}/{path}",
            self.cache,
            md5_beside=md5_beside,
            sha256=dict(self.sha256).get(name),
            name=name,
        )


@dataclass(frozen=True)
class Recipe:
    """How a public dataset is prepared, and what its arguments are without being given.

    Attributes:
        prepare: fetches the raw files, and says how they are read.
        url: where the raw files are fetched from; None for a dataset the user has to bring.
        min_value: None for a dataset without values, which has no such argument.
        user_min_support: items a user needs.
        duplicates: which row of a repeated pair stays.
        add_arguments: adds what this dataset alone has.
    """

    prepare: Callable[[Options], RawDataset]
    url: str | None
    min_value: float | None = None
    user_min_support: int = 5
    duplicates: str = "latest"
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None


def listing() -> str:
    """The datasets there are, a line each."""
    found = [
        (name, import_module(f"{datasets.__name__}.{name}").__doc__ or "") for name in _names()
    ]
    return "\n".join(f"{name:<14}{doc.partition(' as a dataset')[0]}" for name, doc in found)


def main(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Make the dataset `name`, print what came out.

    Args:
        name: of a module in `beekit.prepare.datasets`.
        argv: arguments behind it; those of the process without.
        prog: how the command is called in messages.

    Returns:
        0 on success, 2 with one line on standard error for what the user can mend, 130 when
        interrupted.

    Raises:
        ConfigError: if there is no such dataset.
    """
    if name not in _names():
        raise ConfigError(
            f"no dataset {name!r}",
            expected=f"one of {', '.join(_names())}",
            remedy="See `beekit prepare --list`.",
        )
    module = import_module(f"{datasets.__name__}.{name}")
    recipe: Recipe = module.RECIPE
    parser = _parser(recipe, module.__doc__, prog)
    options = parser.parse_args(argv, namespace=Options())
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def work() -> None:
        started = time.monotonic()
        options.out = options.out.resolve()
        if recipe.url is not None:
            given = options.cache or options.out.with_name(f"{options.out.name}-raw")
            options.cache = given.resolve()
        _require_outside(options)
        require_free(options.out)
        filters = Filters(options.min_value, options.user_min_support, options.duplicates)
        dataset = recipe.prepare(options)
        print(summary(build(options.out, dataset, filters, item_list=options.items)))
        print(f"{time.monotonic() - started:.1f} s")

    return exit_code(
        Path(parser.prog).stem,
        work,
        room="room for the raw files, as much again, and the dataset. Free some: what was fetched "
        "is kept.",
    )


def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(datasets.__path__))


def _parser(recipe: Recipe, doc: str | None, prog: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("out", type=Path, help="dataset folder to make")
    if recipe.url is not None:
        add("--cache", type=Path, help="folder for the raw files; OUT-raw without it")
        add("--url", default=recipe.url, help=f"another base address of these than {recipe.url}")
        add(
            "--sha256",
            type=_checksum,
            action="append",
            default=[],
            metavar="FILE=HEX",
            help="checksum a raw file must have; may be repeated",
        )
    add("--items", type=Path, help="file of item ids: keep only these")
    parser.set_defaults(min_value=None)
    if recipe.min_value is not None:
        add("--min-value", type=float, default=recipe.min_value, help="lowest value (%(default)s)")
    add(
        "--user-min-support",
        type=int,
        default=recipe.user_min_support,
        help="items a user needs (%(default)s)",
    )
    add(
        "--duplicates",
        choices=("latest", "first"),
        default=recipe.duplicates,
        help="which row of a repeated (user, item) pair stays (%(default)s)",
    )
    add(
        "--max-malformed",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="share of malformed lines that is skipped (%(default)s)",
    )
    recipe.add_arguments(parser)
    return parser


def _require_outside(options: Options) -> None:
    """Refuse files to read or keep inside the folder that is replaced.

    Raises:
        ConfigError: if the cache, the item list or the raw files lie inside the folder that is
            replaced.
    """
    for name in ("cache", "items", "raw"):
        path = getattr(options, name, None)
        if path is not None and path.resolve().is_relative_to(options.out):
            raise ConfigError(
                f"--{name} {path} lies in {options.out}, which is replaced",
                expected="a path outside",
                remedy="Name another, or move it.",
            )


def _checksum(text: str) -> tuple[str, str]:
    name, _, digest = text.partition("=")
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise argparse.ArgumentTypeError(f"{text}: expected FILE= and 64 hexadecimal digits")
    return name, digest.lower()
