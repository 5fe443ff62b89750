"""The commands of the command line: their arguments, an example, and the function that runs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beekit.errors import ConfigError
from beekit.recipes import find_config, listed

# A function that adds an argument to the parser of a command.
Argument = Callable[[Any], Any]
# A function that runs a command; it returns the exit code, or None for 0.
Run = Callable[[argparse.Namespace], int | None]


@dataclass(frozen=True)
class Command:
    """A command of the command line."""

    name: str
    help: str
    example: str
    arguments: tuple[Argument, ...]
    run: Run
    transfers: bool  # whether it sends or downloads files
    parser: dict[str, Any]  # further options of its argparse parser


COMMANDS: list[Command] = []


def command(
    help: str, example: str, *arguments: Argument, transfers: bool = False, **parser: Any
) -> Callable[[Run], Run]:
    """A decorator that makes a function the command of its name."""

    def declare(run: Run) -> Run:
        COMMANDS.append(Command(run.__name__, help, example, arguments, run, transfers, parser))
        return run

    return declare


def argument(*names: str, **options: Any) -> Argument:
    """An argument of a command, with the parameters of argparse's `add_argument`."""
    return lambda parser: parser.add_argument(*names, **options)


def one_of(*arguments: Argument) -> Argument:
    """A group of arguments of which exactly one has to be given."""

    def add(parser: argparse.ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        for each in arguments:
            each(group)

    return add


def listings(of: str) -> tuple[Argument, ...]:
    """Options that print the recipes of a command or the keys of its configuration, and exit."""

    class Print(argparse.Action):
        def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
            from beekit.run.config_keys import schema, text

            if self.dest == "list":
                print(listed(of))
            else:
                print(text(of) if self.dest == "keys" else json.dumps(schema(of), indent=2))
            parser.exit()

    return (
        argument("--list", action=Print, nargs=0, help="name the recipes"),
        argument("--keys", action=Print, nargs=0, help="print every key with its meaning"),
        argument("--schema", action=Print, nargs=0, help="print a JSON schema for editors"),
    )


RUN = argument("path", metavar="RUN", help="run folder")
CONFIG = argument("config", metavar="CONFIG", help="a recipe's name, or a YAML file")


def overrides(example: str) -> Argument:
    """The argument for changes to keys of a configuration."""
    help = f"change keys of the configuration, for example {example}"
    return argument("overrides", nargs="*", default=[], metavar="key=value", help=help)


@command(
    "the whole job on a small synthetic shop, in about three minutes",
    "beekit quickstart --modality text+image --out shop",
    argument("--out", default="beekit-quickstart", help="run folder to make"),
    argument(
        "--modality",
        default="text",
        choices=("text", "image", "text+image"),
        help="what the encoder reads of an item (default: text)",
    ),
)
def quickstart(options: argparse.Namespace) -> None:
    from beekit.run.first_checks import require_free

    require_free(options.out, "quickstart")
    from beekit.quickstart.job import run_quickstart

    _use_memory_again()
    run_quickstart(options.out, options.modality)


@command(
    "fine-tune an encoder as a configuration says",
    "beekit train ml1m data=DIR encoder=sentence-transformers/all-MiniLM-L6-v2 out=RUN",
    CONFIG,
    overrides("data=DIR split.seed=7"),
    *listings("train"),
)
def train(options: argparse.Namespace) -> None:
    from beekit.run.config import load_config
    from beekit.run.first_checks import check_training

    config = load_config(find_config("train", options.config), options.overrides)
    check_training(config)
    from beekit.run.repeats import train_repeatedly
    from beekit.run.summary import print_summary

    _use_memory_again()
    print_summary(train_repeatedly(config))


@command(
    "several models on one split, in one table",
    "beekit evaluate ml1m_users data=DIR encoder=ENCODER out=TABLE",
    CONFIG,
    overrides("data=DIR models.EASE.regularization=300"),
    *listings("evaluate"),
)
def evaluate(options: argparse.Namespace) -> None:
    from beekit.run.comparison import comparison_content, make_comparison
    from beekit.run.first_checks import check_comparison

    path = find_config("evaluate", options.config)
    content = comparison_content(str(path), options.overrides)
    check_comparison(content)
    config = make_comparison(content)
    from beekit.run.repeats import compare_repeatedly
    from beekit.run.summary import print_summary

    print_summary(compare_repeatedly(config))


@command(
    "a public dataset as a dataset folder",
    "beekit prepare ml20m ml20m",
    argument("--list", action="store_true", help="list the datasets"),
    argument("dataset", nargs="?", metavar="DATASET", help="a name in --list"),
    argument("rest", nargs=argparse.REMAINDER, metavar="...", help="see `DATASET --help`"),
)
def prepare(options: argparse.Namespace) -> int:
    from beekit.prepare.command import listing, main

    if options.list or options.dataset is None:
        print(listing())
        return 0
    return main(options.dataset, options.rest, f"beekit prepare {options.dataset}")


@command(
    "a paragraph about each item by a chat model, as a column",
    'beekit describe DIR --fields "{title}" --model NAME --endpoint http://localhost:8000/v1',
    argument("rest", nargs=argparse.REMAINDER),
    transfers=True,
    add_help=False,
    prefix_chars="\0",  # beekit.describe.command parses all further arguments
)
def describe(options: argparse.Namespace) -> int:
    from beekit.describe.command import main

    return main(options.rest, "beekit describe")


@command(
    "embed a run's catalog again and index it",
    "beekit index RUN --factory IVF256,Flat",
    RUN,
    argument(
        "--factory",
        default="Flat",
        metavar="STRING",
        help="FAISS factory string, such as IVF256,Flat or HNSW32 (default: Flat, exact search)",
    ),
    argument(
        "--model",
        metavar="NAME",
        help="only add new items to this model saved by `beekit evaluate`",
    ),
)
def index(options: argparse.Namespace) -> None:
    if options.model:
        from beekit.run.first_checks import require_served

        require_served(options.path, options.model)
        from beekit.run.add_items import add_new_items

        added = add_new_items(options.path, options.model)
        print(f"{added:,} new item{'' if added == 1 else 's'} added to {options.model}")
        return
    from beekit.run.reindex import reindex

    folder, quality = reindex(options.path, options.factory)
    print(f"index of {options.path} written to {folder.index}")
    if quality is not None:
        print(
            f"{quality.factory}: recall@{quality.k} {quality.recall:.4f} against exact search, "
            f"{quality.single_ms:.2f} ms for a single user, {quality.batch_us:.0f} µs a user for "
            f"{quality.users:,} users together"
        )


@command(
    "items for a history, from a run's index",
    "beekit recommend RUN --history 1,48,260 --candidates cold --k 10",
    RUN,
    one_of(
        argument("--history", help="item ids, comma-separated, the earliest first"),
        argument("--users", help="Parquet or CSV file with user_id, item_id, perhaps timestamp"),
    ),
    argument("--k", type=int, default=10, help="how many items (default 10)"),
    argument("--candidates", default="all", help="all items (all, default) or cold items (cold)"),
    argument("--model", metavar="NAME", help="a model saved by `beekit evaluate`"),
    argument("--json", action="store_true", help="print JSON; with --users, one line a user"),
)
def recommend(options: argparse.Namespace) -> None:
    from beekit.run.first_checks import require_served

    history = [item.strip() for item in (options.history or "").split(",") if item.strip()]
    if not (options.users or history):
        found = f"--history {options.history!r}"
        remedy = "Write ids with commas between them, such as --history 1,48,260."
        raise ConfigError(found, expected="at least one item id", remedy=remedy)
    require_served(options.path, options.model)
    from beekit.run.serve import Server, columns_of_run, least_value, read_histories

    server = Server.open(options.path, options.model)
    users: Sequence[int | str | None] = [None]
    if options.users:
        least, columns = least_value(options.path), columns_of_run(options.path)
        asked = read_histories(options.users, least, columns, server.reads)
        user_ids, X = server.histories_of(*asked)
        users = user_ids.tolist()
    else:
        X = server.histories([history])
    ranked, scores = server.recommend(X, options.k, options.candidates)
    for row, (user, items, values) in enumerate(zip(users, ranked, scores, strict=True)):
        described = server.describe(X[[row]], items, values)
        if options.json:
            print(json.dumps(described if user is None else {"user_id": user, "items": described}))
            continue
        if user is not None:
            print(f"{user}:")
        for rank, item in enumerate(described, start=1):
            mark = "  cold" if item["cold"] else ""
            if "text" in item:
                mark += f"  (text {item['text']:.2f}, picture {item['image']:.2f})"
            print(f"{rank:3}. {item['score']:8.4f}  {item['item_id']!s:>12}  {item['label']}{mark}")


@command(
    "make the report of one run or several, and their model cards",
    "beekit report RUN OTHER --out both.html",
    argument("paths", metavar="RUN", nargs="+", help="run folders"),
    argument("--out", help="file to write (default: report.html in the first run)"),
)
def report(options: argparse.Namespace) -> None:
    from beekit.folder_lock import alone_in
    from beekit.run_folder import RunFolder, require_own_place

    runs = [RunFolder(Path(run)) for run in options.paths]
    for run in runs:
        run.dataset_folders()  # refuses what holds no results
    path = Path(options.out) if options.out else runs[0].report
    if options.out:
        require_own_place(path, [run.path for run in runs])
    from beekit.hub import write_card
    from beekit.report import write_report, write_tables

    with ExitStack() as held:
        for run in runs:
            held.enter_context(alone_in(run.whole.path, make=False))
        write_report(options.paths, path)
        for run in options.paths:
            folder = RunFolder(Path(run))
            if folder.kind == "comparison":
                write_tables(folder.read_results(), folder.path)
            elif not folder.repeats.is_dir():  # each repeat has its own model and card
                write_card(run)
    print(f"report written to {path}")


@command(
    "model, card, results and split ids to the Hub",
    "beekit push RUN --repo user/name --card CARD.yaml --dry-run",
    RUN,
    argument("--repo", required=True, metavar="USER/NAME", help="repository of the Hub"),
    argument(
        "--card", metavar="FILE", help="YAML file with licence, summary and more for the card"
    ),
    argument("--private", action="store_true", help="push only to a private or new repository"),
    argument("--revision", metavar="BRANCH", help="branch to push to (default: main)"),
    argument("--create-pr", action="store_true", help="open a pull request"),
    argument("--index", action="store_true", help="push the FAISS index too"),
    argument("--dry-run", action="store_true", help="list the files, and send nothing"),
    transfers=True,
)
def push(options: argparse.Namespace) -> None:
    from beekit.hub.card_facts import Facts, load_facts
    from beekit.hub.push import push
    from beekit.hub.upload_files import files_to_upload, size

    facts = load_facts(options.card) if options.card else Facts()
    if options.dry_run:
        files = files_to_upload(options.path, options.repo, facts, index=options.index)
        sizes = {path: size(content) for path, content in files.items()}
        for path in sizes:
            print(f"{sizes[path]:>14,}  {path}")
        print(f"{sum(sizes.values()):>14,}  bytes in {len(sizes)} files; nothing was sent")
    else:
        given = {name: getattr(options, name) for name in ("private", "revision", "create_pr")}
        pushed = push(options.path, options.repo, facts=facts, index=options.index, **given)
        print(f"pushed to {pushed.url}" if pushed.changed else f"nothing to push: {pushed.url}")
    if facts.license is None:
        print("the card states no licence: set one in the file for --card (`license: apache-2.0`)")


@command(
    "a pushed run from the Hub, as a run folder",
    "beekit pull user/name --out RUN --data DIR",
    argument("repo", metavar="USER/NAME", help="repository of the Hub"),
    argument("--out", required=True, metavar="RUN", help="run folder to make"),
    argument("--revision", metavar="REVISION", help="branch, tag or commit"),
    argument("--data", metavar="DIR", help="the run's dataset folder on this machine"),
    argument(
        "--trust-foreign-code",
        action="store_true",
        help="accept splits, models and metrics from outside beekit; using them runs their code",
    ),
    transfers=True,
)
def pull(options: argparse.Namespace) -> None:
    from beekit.hub.pull import pull
    from beekit.run_folder import require_own_place

    require_own_place(Path(options.out))
    given = {name: getattr(options, name) for name in ("revision", "data", "trust_foreign_code")}
    commit = pull(options.repo, options.out, **given)
    print(f"{options.repo} at {commit[:12]} is in {options.out}")
    if options.data:
        print(f"next: beekit verify {options.out}")


@command("repeat a run's evaluation, and compare", "beekit verify RUN", RUN)
def verify(options: argparse.Namespace) -> None:
    from beekit.run.verify import verify

    for one in verify(options.path):
        same = "the same" if one.found == one.stated else f"{one.found - one.stated:+.2g}"
        print(f"{one.dataset}  {one.metric:<22} {one.stated:.4f}  again {one.found:.4f}  {same}")


@command(
    "encoder or items as files for other runtimes",
    "beekit export RUN --format onnx --out DIR",
    RUN,
    argument("--format", required=True, help="onnx, openvino or faiss"),
    argument("--out", metavar="DIR", help="folder to make (default: RUN/FORMAT)"),
    argument("--factory", metavar="STRING", help="with faiss: export an approximate index too"),
)
def export(options: argparse.Namespace) -> None:
    from beekit.export import export

    done = export(options.path, options.format, options.out, factory=options.factory)
    print(f"exported to {done.folder}", *done.summary, sep="\n")


def _use_memory_again() -> None:
    """On a CPU, keep freed memory for the next step; a process that only trains may do so."""
    import torch

    from beekit.memory import keep_freed_memory

    if not torch.cuda.is_available():
        keep_freed_memory()
