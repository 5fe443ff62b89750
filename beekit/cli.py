"""The command line: `beekit quickstart`, `train`, `evaluate`, `index`, `recommend` and the rest."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from beekit.errors import BeekitError, ConfigError
from beekit.one_line import in_one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success, 2 with one line on standard error for what the user can mend, 130 when
        interrupted.
    """
    options = _parser().parse_args(arguments)
    _quiet_libraries(options.verbose, transfers=options.run in (_push, _pull))
    try:
        options.run(options)
    except BeekitError as error:
        print(in_one_line(f"beekit: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("beekit: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        line = (
            f"beekit: {where}{error.strerror or error}; expected a path that can be read and "
            "written, on a disk with room. Check the path, its permissions and the space left."
        )
        print(in_one_line(line), file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="beekit",
        description="Teach encoders what people use together; recommend items nobody has touched.",
    )
    parser.add_argument("--verbose", action="store_true", help="show the libraries' log messages")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    quickstart = commands.add_parser(
        "quickstart", help="the whole job on a small synthetic shop, in about three minutes"
    )
    quickstart.add_argument("--out", default="beekit-quickstart", help="run folder to make")
    quickstart.add_argument(
        "--modality",
        default="text",
        choices=("text", "image", "text+image"),
        help="what the encoder sees of an item (default: text)",
    )
    quickstart.set_defaults(run=_quickstart)

    train = commands.add_parser("train", help="fine-tune an encoder as a configuration says")
    train.add_argument("config", help="YAML file; train/recipes holds examples")
    train.add_argument("overrides", nargs="*", metavar="key=value", help="data=DIR split.seed=7")
    _add_keys(train, "train")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="several models on one split, in one table")
    evaluate.add_argument("config", help="YAML file; eval/recipes holds examples")
    evaluate.add_argument("overrides", nargs="*", metavar="key=value", help="models.EASE.dtype=...")
    _add_keys(evaluate, "evaluate")
    evaluate.set_defaults(run=_evaluate)

    index = commands.add_parser("index", help="embed a run's catalog again and index it")
    index.add_argument("path", metavar="RUN")
    index.add_argument(
        "--factory",
        default="Flat",
        metavar="STRING",
        help="FAISS factory string, such as IVF256,Flat or HNSW32 (default: Flat, exact search)",
    )
    index.add_argument(
        "--model", metavar="NAME", help="give a model kept by `beekit evaluate` the new items alone"
    )
    index.set_defaults(run=_index)

    recommend = commands.add_parser("recommend", help="items for a history, from a run's index")
    recommend.add_argument("path", metavar="RUN")
    whom = recommend.add_mutually_exclusive_group(required=True)
    whom.add_argument("--history", help="item ids, comma-separated")
    whom.add_argument("--users", help="Parquet or CSV file with user_id and item_id")
    recommend.add_argument("--k", type=int, default=10, help="how many items (default 10)")
    recommend.add_argument("--candidates", default="all", help="cold or all (default)")
    recommend.add_argument("--model", metavar="NAME", help="a model kept by `beekit evaluate`")
    recommend.add_argument("--json", action="store_true", help="JSON, one line a user with --users")
    recommend.set_defaults(run=_recommend)

    report = commands.add_parser(
        "report", help="make the report of one run or several, and their model cards"
    )
    report.add_argument("paths", metavar="RUN", nargs="+")
    report.add_argument("--out", help="file to write (default: report.html in the first run)")
    report.set_defaults(run=_report)

    push = commands.add_parser("push", help="model, card, results and split ids to the Hub")
    push.add_argument("path", metavar="RUN")
    push.add_argument("--repo", required=True, metavar="USER/NAME")
    push.add_argument("--card", metavar="FILE", help="YAML with licence, summary and the like")
    push.add_argument("--private", action="store_true", help="make the repository private")
    push.add_argument("--revision", metavar="BRANCH", help="branch to push to (default: main)")
    push.add_argument("--create-pr", action="store_true", help="open a pull request")
    push.add_argument("--index", action="store_true", help="push the FAISS index too")
    push.add_argument("--dry-run", action="store_true", help="say what would be sent, send nothing")
    push.set_defaults(run=_push)

    pull = commands.add_parser("pull", help="a pushed run from the Hub, as a run folder")
    pull.add_argument("repo", metavar="USER/NAME")
    pull.add_argument("--out", required=True, metavar="RUN", help="run folder to make")
    pull.add_argument("--revision", metavar="REVISION", help="branch, tag or commit")
    pull.add_argument("--data", metavar="DIR", help="its dataset folder on this machine")
    pull.set_defaults(run=_pull)

    verify = commands.add_parser("verify", help="repeat a run's evaluation, and compare")
    verify.add_argument("path", metavar="RUN")
    verify.set_defaults(run=_verify)

    export = commands.add_parser("export", help="encoder or items as files for other runtimes")
    export.add_argument("path", metavar="RUN")
    export.add_argument("--format", required=True, help="onnx, openvino or faiss")
    export.add_argument("--out", metavar="DIR", help="folder to make (default: RUN/FORMAT)")
    export.add_argument(
        "--factory", metavar="STRING", help="with faiss: an approximate index besides"
    )
    export.set_defaults(run=_export)
    return parser


def _add_keys(command: argparse.ArgumentParser, name: str) -> None:
    """Options that say what a configuration may hold, and do nothing else."""

    class Print(argparse.Action):
        def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
            from beekit.run.config_keys import schema, text

            made = text(name) if self.dest == "keys" else json.dumps(schema(name), indent=2)
            print(made)
            parser.exit()

    command.add_argument("--keys", action=Print, nargs=0, help="print all keys, and exit")
    command.add_argument("--schema", action=Print, nargs=0, help="print a JSON schema, and exit")


def _quickstart(options: argparse.Namespace) -> None:
    from beekit.quickstart.job import run_quickstart

    run_quickstart(options.out, options.modality)


def _train(options: argparse.Namespace) -> None:
    from beekit.run.config import load_config

    config = load_config(options.config, options.overrides)
    from beekit.run.repeats import train_repeatedly
    from beekit.run.summary import print_summary

    print_summary(train_repeatedly(config))


def _evaluate(options: argparse.Namespace) -> None:
    from beekit.run.comparison import load_comparison

    config = load_comparison(options.config, options.overrides)
    from beekit.run.repeats import compare_repeatedly
    from beekit.run.summary import print_summary

    print_summary(compare_repeatedly(config))


def _index(options: argparse.Namespace) -> None:
    if options.model:
        from beekit.run.extend import add_new_items

        added = add_new_items(options.path, options.model)
        print(f"{added:,} new item{'' if added == 1 else 's'} added to {options.model}")
        return
    from beekit.run.reindex import reindex

    folder, quality = reindex(options.path, options.factory)
    print(f"index of {options.path} written to {folder.index}")
    if quality is not None:
        print(
            f"{quality.factory}: recall@{quality.k} {quality.recall:.4f} against exact search, "
            f"{quality.single_ms:.2f} ms for a user alone, {quality.batch_us:.0f} µs each for "
            f"{quality.users:,} together"
        )


def _recommend(options: argparse.Namespace) -> None:
    from beekit.run.serve import Server, least_value, read_histories

    server = Server.open(options.path, options.model)
    if options.users:
        users, histories = read_histories(options.users, least_value(options.path))
    else:
        users = [None]
        histories = [[item.strip() for item in options.history.split(",") if item.strip()]]
    if not all(histories):
        raise ConfigError(
            f"--history {options.history!r}",
            expected="at least one item id",
            remedy="Write ids with commas between them, such as --history 1,48,260.",
        )
    X = server.histories(histories)
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


def _report(options: argparse.Namespace) -> None:
    from beekit.alone import alone_in
    from beekit.hub import write_card
    from beekit.report import write_report, write_tables
    from beekit.run.folder import RunFolder
    from beekit.run.made_by import require_own_place

    runs = [RunFolder(Path(run)) for run in options.paths]
    path = Path(options.out) if options.out else runs[0].report
    if options.out:
        require_own_place(path, [run.path for run in runs])
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


def _push(options: argparse.Namespace) -> None:
    from beekit.hub.facts import Facts, load_facts
    from beekit.hub.push import plan, push

    facts = load_facts(options.card) if options.card else Facts()
    if options.dry_run:
        sizes = plan(options.path, options.repo, facts=facts, index=options.index).sizes()
        for path, size in sizes.items():
            print(f"{size:>14,}  {path}")
        print(f"{sum(sizes.values()):>14,}  bytes in {len(sizes)} files; nothing was sent")
    else:
        pushed = push(
            options.path,
            options.repo,
            facts=facts,
            private=options.private,
            revision=options.revision,
            create_pr=options.create_pr,
            index=options.index,
        )
        print(f"pushed to {pushed.url}" if pushed.changed else f"already there: {pushed.url}")
    if facts.license is None:
        print("no licence is stated: name one in a YAML file for --card, as `license: apache-2.0`")


def _pull(options: argparse.Namespace) -> None:
    from beekit.hub.pull import pull
    from beekit.run.made_by import require_own_place

    require_own_place(Path(options.out))
    commit = pull(options.repo, options.out, revision=options.revision, data=options.data)
    print(f"{options.repo} at {commit[:12]} is in {options.out}")
    if options.data:
        print(f"next: beekit verify {options.out}")


def _verify(options: argparse.Namespace) -> None:
    from beekit.run.verify import verify

    for one in verify(options.path):
        same = "the same" if one.found == one.stated else f"{one.found - one.stated:+.2g}"
        print(f"{one.dataset}  {one.metric:<22} {one.stated:.4f}  again {one.found:.4f}  {same}")


def _export(options: argparse.Namespace) -> None:
    from beekit.export import export

    done = export(options.path, options.format, options.out, factory=options.factory)
    print(f"exported to {done.folder}", *done.summary, sep="\n")


def _quiet_libraries(verbose: bool, *, transfers: bool) -> None:
    """beekit's own progress on standard error; the libraries' chatter only when asked for.

    Args:
        verbose: it is asked for.
        transfers: the command sends or fetches files, whose progress the Hub's client shows.
    """
    if verbose:
        logging.basicConfig(level=logging.INFO)
        logging.getLogger("beekit").setLevel(logging.DEBUG)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    own = logging.getLogger("beekit")
    own.handlers = [handler]
    own.setLevel(logging.INFO)
    if not logging.root.handlers:  # a library would install one that repeats beekit's lines
        others = logging.StreamHandler()
        others.setLevel(logging.WARNING)
        others.addFilter(lambda record: not record.name.startswith("beekit"))
        logging.root.addHandler(others)
    # Checkpoints are saved with cards whose examples are texts, whatever the encoder reads.
    logging.getLogger("sentence_transformers.base.model_card").setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not transfers:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader workers are forked


if __name__ == "__main__":
    sys.exit(main())
