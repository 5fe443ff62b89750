"""The command line `beekit COMMAND`: parsing arguments, running the command, exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import metadata

import beekit
from beekit.commands import COMMANDS
from beekit.exit_codes import exit_code

# The libraries whose versions a bug report should name.
_BESIDE = ("torch", "sentence-transformers", "transformers", "faiss-gpu", "faiss-cpu")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success, 2 after one line on standard error about an error that the user can fix, 130
        if interrupted (SIGINT), 143 if terminated (SIGTERM).
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.version:
        print(_versions(options.verbose))
        return 0
    if options.command is None:
        parser.error("the following arguments are required: COMMAND")
    _quiet_libraries(options.verbose, transfers=options.command.transfers)

    ended: list[int | None] = []

    def work() -> None:
        try:
            ended.append(options.command.run(options))
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader of the output, such as `head`, has closed it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    failed = exit_code("beekit", work, room="room for what the command writes. Free some.")
    return failed or (ended and ended[0]) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="beekit",
        description="Teach encoders what people use together; recommend items nobody has touched.",
        epilog="`beekit COMMAND --help` shows how to use a command, with an example.",
    )
    parser.add_argument("--verbose", action="store_true", help="show the libraries' log messages")
    parser.add_argument(
        "--version", action="store_true", help="show the version; with --verbose, libraries' too"
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        added = commands.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **command.parser,
        )
        for argument in command.arguments:
            argument(added)
        added.set_defaults(command=command)
    return parser


def _versions(verbose: bool) -> str:
    """beekit's version; with `verbose`, also a line with the versions of libraries."""
    lines = [f"beekit {beekit.__version__}"]
    if verbose:
        there = {one.metadata["Name"] for one in metadata.distributions()}
        lines.append(", ".join(f"{n} {metadata.version(n)}" for n in _BESIDE if n in there))
    return "\n".join(lines)


def _quiet_libraries(verbose: bool, *, transfers: bool) -> None:
    """Show beekit's own messages on standard error, and those of libraries only if `verbose`.

    Args:
        verbose: whether to show the log messages of libraries.
        transfers: whether the command sends or downloads files; huggingface_hub shows progress.
    """
    if not sys.stderr.isatty():  # fewer progress lines of libraries in a log
        os.environ.setdefault("TQDM_MININTERVAL", "5")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if verbose:
        logging.basicConfig(level=logging.INFO)
        logging.getLogger("beekit").setLevel(logging.DEBUG)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    own = logging.getLogger("beekit")
    own.handlers = [handler]
    own.setLevel(logging.INFO)
    if not logging.root.handlers:  # else a library would add one that repeats beekit's lines
        others = logging.StreamHandler()
        others.setLevel(logging.WARNING)
        others.addFilter(lambda record: not record.name.startswith("beekit"))
        logging.root.addHandler(others)
    # Warnings about the cards in checkpoints, which always have examples of texts.
    logging.getLogger("sentence_transformers.base.model_card").setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not transfers:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader workers are forked


if __name__ == "__main__":
    sys.exit(main())
