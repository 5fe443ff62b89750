"""What the scripts in `data_prep/` share: arguments, and one line for what the user can mend."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from beekit.errors import ConfigError
from beekit.exit_codes import exit_code
from beekit.prepare.build import Prepared, require_free, summary
from beekit.prepare.download import fetch
from beekit.prepare.interactions import Filters
from beekit.prepare.raw import RawFile


class Options(argparse.Namespace):
    """The arguments every script has; those it adds are attributes beside them.

    Attributes:
        out: dataset folder to make.
        cache: folder of the raw files.
        url: where these are fetched from.
        items: file of item ids to restrict to.
        sha256: expected checksums, by file name.
        max_malformed: share of malformed lines that is skipped.
        filters: what of the rows becomes an interaction.
    """

    out: Path
    cache: Path
    url: str
    items: Path | None
    sha256: dict[str, str]
    max_malformed: float
    min_value: float | None
    user_min_support: int
    duplicates: str

    @property
    def filters(self) -> Filters:
        return Filters(self.min_value, self.user_min_support, self.duplicates)

    def fetch(self, path: str, *, md5_beside: bool = False) -> RawFile:
        """The raw file at `url`/`path`, in the cache."""
        name = path.rsplit("/", 1)[-1]
        return fetch(
            f"{self.url.rstrip('/')}/{path}",
            self.cache,
            md5_beside=md5_beside,
            sha256=self.sha256.get(name),
            name=name,
        )


def arguments(
    doc: str | None,
    *,
    url: str | None,
    min_value: float | None = None,
    user_min_support: int = 5,
    duplicates: str = "latest",
) -> argparse.ArgumentParser:
    """A parser for the options above.

    Args:
        doc: docstring of the script.
        url: where the raw files are fetched from; None for a dataset the user has to bring.
        min_value: default; None for a dataset without values, which has no such option.
        user_min_support: default.
        duplicates: default.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="dataset folder to make")
    if url is not None:
        parser.add_argument(
            "--cache", type=Path, help="folder for the raw files; OUT-raw without it"
        )
        parser.add_argument("--url", default=url, help=f"another base address of these than {url}")
        parser.add_argument(
            "--sha256",
            action=_Checksum,
            default={},
            metavar="FILE=HEX",
            help="checksum a raw file must have; may be repeated",
        )
    parser.add_argument("--items", type=Path, help="file of item ids: keep only these")
    if min_value is not None:
        parser.add_argument(
            "--min-value", type=float, default=min_value, help="lowest value kept (%(default)s)"
        )
    else:
        parser.set_defaults(min_value=None)
    parser.add_argument(
        "--user-min-support",
        type=int,
        default=user_min_support,
        help="items a user needs (%(default)s)",
    )
    parser.add_argument(
        "--duplicates",
        choices=("latest", "first"),
        default=duplicates,
        help="which row of a repeated (user, item) pair stays (%(default)s)",
    )
    parser.add_argument(
        "--max-malformed",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="share of malformed lines that is skipped (%(default)s)",
    )
    return parser


def main(
    prepare: Callable[[Options], Prepared],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Run a script: make the dataset, print what came out.

    Returns:
        0 on success, 2 with one line on standard error for what the user can mend, 130 when
        interrupted.
    """
    options = parser.parse_args(argv, namespace=Options())
    name = Path(parser.prog).stem
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def work() -> None:
        started = time.monotonic()
        options.out = options.out.resolve()
        if "url" in options:
            given = options.cache or options.out.with_name(f"{options.out.name}-raw")
            options.cache = given.resolve()
        _require_outside(options)
        require_free(options.out)
        print(summary(prepare(options)))
        print(f"{time.monotonic() - started:.1f} s")

    return exit_code(
        name,
        work,
        room="room for the raw files, as much again, and the dataset. Free some: what was fetched "
        "is kept.",
    )


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


class _Checksum(argparse.Action):
    """Collects FILE=HEX into a dict."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        name, _, digest = str(values).partition("=")
        if len(digest) != 64 or not all(c in "0123456789abcdefABCDEF" for c in digest):
            parser.error(f"{option_string} {values}: expected FILE= and 64 hexadecimal digits")
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: digest.lower()})
