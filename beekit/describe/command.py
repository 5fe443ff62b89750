r"""One paragraph about each item by a chat model, as a new column of a dataset folder.

    beekit describe books --fields "{title}. {authors}. {tags}" \
        --model NAME --endpoint http://localhost:8000/v1 --concurrency 64
    beekit describe books --fields "{title}" --model FOLDER --device cuda

The first asks any server that speaks OpenAI's protocol (vLLM and the like), with the key in the
variable BEEKIT_API_KEY where it wants one; the second loads the model here. Try `--limit 20` first
and look into descriptions.jsonl. What was answered before a kill or Ctrl-C is kept: give the same
command again. When all items were asked, the items table has the column, refusals.csv the items
without it, and descriptions.json how it was made.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from beekit.data_folder import require_data_folder
from beekit.describe.chat import ChatModel, Sampling
from beekit.describe.endpoint import EndpointChat
from beekit.describe.job import Described, describe
from beekit.describe.task import DEFAULT_COLUMN, PROMPT, Task
from beekit.errors import ConfigError
from beekit.exit_codes import exit_code


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Describe a dataset folder, print what came out, and return what `exit_code` does.

    Without `argv` the arguments are those of the process. Messages call the command `prog`.
    """
    about, _, usage = (__doc__ or "").partition("\n\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog, description=about, epilog=usage, formatter_class=raw)
    add = parser.add_argument
    add("folder", metavar="DATASET_FOLDER")
    add("--fields", required=True, help='of an item: "{title}. {authors}. {tags}"')
    add("--model", required=True, help="name the endpoint knows, folder, or Hub name")
    add("--endpoint", metavar="URL", help="OpenAI-compatible; without it, run here")
    add("--key-from", metavar="VARIABLE", default="BEEKIT_API_KEY")
    add("--concurrency", type=int, default=16, help="questions in flight (endpoint)")
    add("--timeout", type=float, default=120, help="seconds (endpoint)")
    add("--patience", type=float, default=600, help="seconds of retries (endpoint)")
    add("--extra", metavar="JSON", default="{}", help="request fields (endpoint)")
    add("--batch-size", type=int, default=8, help="questions at a time (local)")
    add("--revision", help="branch, tag or commit of a Hub model (local)")
    add("--device", help="cpu, cuda, ... (local)")
    add("--prompt", metavar="FILE", help="the question, with {item} for the fields")
    add("--column", default=DEFAULT_COLUMN)
    add("--max-tokens", type=int, default=200)
    add("--temperature", type=float, default=0.0)
    add("--seed", type=int, default=0)
    add("--limit", type=int, metavar="N", help="ask about N items, then stop")
    add("--retry-refusals", action="store_true", help="ask about those again")
    options = parser.parse_args(argv)

    def work() -> None:
        prompt = Path(options.prompt).read_text(encoding="utf-8") if options.prompt else PROMPT
        task = Task(options.fields, prompt.strip(), options.column)
        require_data_folder(options.folder)
        model = _model(options)
        limit, again = options.limit, options.retry_refusals
        _print(describe(options.folder, model, task, limit=limit, retry_refusals=again))

    room = "room for the items table again. Free some: what was answered is kept."
    return exit_code(Path(parser.prog).stem, work, room=room)


def _model(options: argparse.Namespace) -> ChatModel:
    extra = _request_fields(options.extra)
    sampling = Sampling(options.max_tokens, options.temperature, options.seed, extra)
    if options.endpoint:
        key = os.environ.get(options.key_from)
        pace = (options.concurrency, options.timeout, options.patience)
        return EndpointChat(options.endpoint, options.model, sampling, key, options.key_from, *pace)
    from beekit.describe.local import LocalChat  # loads torch

    given = {name: getattr(options, name) for name in ("batch_size", "device", "revision")}
    return LocalChat.load(options.model, sampling, **given)


def _request_fields(text: str) -> dict[str, object]:
    with suppress(ValueError):
        fields = json.loads(text)
        if isinstance(fields, dict):
            return fields
    raise ConfigError(
        f"--extra {text}", expected='a JSON object: {"top_p": 0.9}', remedy="Correct it."
    )


def _print(done: Described) -> None:
    print(
        f"{done.described:,} of {done.items:,} items described, {done.asked:,} asked now, "
        f"{done.tokens[0]:,} tokens read and {done.tokens[1]:,} written in all"
    )
    for count, what in (
        (done.trimmed, "were cut off and end at their last whole sentence (--max-tokens)"),
        (done.without_fields, "have no text in their fields, and none was asked for"),
        (done.unanswered, "got no answer now; the same command asks again"),
        (done.left, "are left; the table is written when none is: leave out --limit"),
    ):
        if count:
            print(f"{count:,} {what}")
    for reason, count in Counter(entry.reason for entry in done.refused).most_common():
        first = next(entry for entry in done.refused if entry.reason == reason)
        print(f"{count:,} without description: {reason}, such as {first.item_id!r}", end="")
        print(f": {' '.join(first.answer.split())[:80]!r}" if first.answer else "")
