"""The command `beekit prepare`: its arguments, and running it."""

from __future__ import annotations

import argparse
import logging
import pkgutil
import re
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from beekit.errors import ConfigError
from beekit.exit_codes import exit_code
from beekit.prepare import datasets
from beekit.prepare.build import build, require_free, summary
from beekit.prepare.download import fetch
from beekit.prepare.interactions import Filters
from beekit.prepare.published import PublicDataset, public_dataset
from beekit.prepare.raw import RawFile

_DEFAULTS = ("min_value", "user_min_support", "duplicates")
_SUM = "SHA-256 that a raw file must have; may be given for several files"


class Options(argparse.Namespace):
    """The arguments of `_parser`. Arguments that only one dataset has are attributes too."""

    public: PublicDataset  # facts about the dataset
    out: Path
    cache: Path
    url: str | None
    items: Path | None
    sha256: list[tuple[str, str]]
    max_malformed: float
    min_value: float | None
    user_min_support: int
    duplicates: str

    def fetch(self, path: str, *, md5_beside: bool = False) -> RawFile:
        """The publisher's raw file `path`, downloaded into the cache unless it is there."""
        url = f"{(self.url or self.public.url or '').rstrip('/')}/{path}"
        name = path.rsplit("/", 1)[-1]
        sha256 = dict(self.sha256).get(name)
        return fetch(url, self.cache, md5_beside=md5_beside, sha256=sha256, name=name)


def listing() -> str:
    """A line for each dataset: its name and title."""
    found = {name: _module(name).__doc__ or "" for name in _names()}
    return "\n".join(
        f"{name:<14}{doc.partition(' as a dataset')[0]}" for name, doc in found.items()
    )


def main(name: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Make the dataset `name`, print a summary, and return the exit code (see `exit_code`).

    If `argv` is None, the arguments are those of the process. `prog` is the name in messages.

    Raises:
        ConfigError: if there is no dataset of that name.
    """
    if name not in _names():
        raise ConfigError(
            f"no dataset {name!r}",
            expected=f"one of {', '.join(_names())}",
            remedy="List them with `beekit prepare --list`.",
        )
    module, public = _module(name), public_dataset(name)
    parser = _parser(module, public, prog)
    options = parser.parse_args(argv, namespace=Options(public=public))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def work() -> None:
        started = time.monotonic()
        options.out = options.out.resolve()
        if public.url is not None:
            given = options.cache or options.out.with_name(f"{options.out.name}-raw")
            options.cache = given.resolve()
        _require_outside(options)
        require_free(options.out)
        filters = Filters(options.min_value, options.user_min_support, options.duplicates)
        manifest = build(options.out, module.prepare(options), filters, item_list=options.items)
        print(summary(manifest, options.out))
        print(f"{time.monotonic() - started:.1f} s")

    room = (
        "room for twice the raw files and the dataset. Free some space; downloaded files are kept."
    )
    return exit_code(Path(parser.prog).stem, work, room=room)


def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(datasets.__path__))


def _module(name: str) -> Any:
    return import_module(f"{datasets.__name__}.{name}")


def _parser(module: Any, public: PublicDataset, prog: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog, description=module.__doc__, formatter_class=raw)
    parser.set_defaults(**{name: getattr(public, name) for name in _DEFAULTS})
    add = parser.add_argument
    add("out", type=Path, help="dataset folder to make")
    if public.url is not None:
        add("--cache", type=Path, help="folder for the raw files (default: OUT-raw)")
        add("--url", help=f"base address of the raw files (default: {public.url})")
        add("--sha256", type=_checksum, action="append", default=[], metavar="FILE=HEX", help=_SUM)
    add("--items", type=Path, help="file with item ids; only these items are kept")
    if public.min_value is not None:
        add("--min-value", type=float, help="lowest value of an interaction (default: %(default)s)")
    needed = "leave out users with fewer items than this (default: %(default)s)"
    add("--user-min-support", type=int, help=needed)
    stays = "which row of a repeated (user, item) pair is kept (default: %(default)s)"
    add("--duplicates", choices=("latest", "first"), help=stays)
    skipped = "share of lines that may be malformed; they are skipped (default: %(default)s)"
    add("--max-malformed", type=float, default=0.01, metavar="SHARE", help=skipped)
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)
    return parser


def _require_outside(options: Options) -> None:
    """Check that cache, item list and raw files are not inside the folder that is replaced.

    Raises:
        ConfigError: if one of them is.
    """
    for name in ("cache", "items", "raw"):
        path = getattr(options, name, None)
        if path is not None and path.resolve().is_relative_to(options.out):
            raise ConfigError(
                f"--{name} {path} is inside {options.out}, which will be replaced",
                expected="a path outside that folder",
                remedy="Give another path, or move the file or folder.",
            )


def _checksum(text: str) -> tuple[str, str]:
    name, _, digest = text.partition("=")
    if not re.fullmatch("[0-9a-fA-F]{64}", digest):
        raise argparse.ArgumentTypeError(f"{text}: expected FILE= and 64 hexadecimal digits")
    return name, digest.lower()
