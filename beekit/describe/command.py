r"""Let a chat model write a paragraph about each item, as a new column of a dataset folder.

    beekit describe books --fields "{title}. {authors}. {tags}" \
        --model NAME --endpoint http://localhost:8000/v1 --concurrency 64
    beekit describe books --fields "{title}" --model FOLDER --device cuda

The first command asks a server with OpenAI's protocol (such as vLLM); if it needs a key, set the
variable BEEKIT_API_KEY. The second command loads the model on this machine. Try `--limit 20` first
and read descriptions.jsonl. After Ctrl-C or a kill, answers are kept: give the same command again.
When all items have been asked about, the items table gets the column, refusals.csv lists the items
without a description, and descriptions.json says how the descriptions were made.
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
    """Describe a dataset folder, print the counts, and return the exit code (see `exit_code`).

    If `argv` is None, the arguments are those of the process. `prog` is the name in messages.
    """
    about, _, usage = (__doc__ or "").partition("\n\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog, description=about, epilog=usage, formatter_class=raw)
    add = parser.add_argument
    add("folder", metavar="DATASET_FOLDER", help="folder with an items table")
    add("--fields", required=True, help='what to tell of an item: "{title}. {authors}. {tags}"')
    add("--model", required=True, help="model name at the endpoint, folder, or name on the Hub")
    add("--endpoint", metavar="URL", help="OpenAI-compatible server; default: run on this machine")
    key = "environment variable with the key (endpoint; default: %(default)s)"
    add("--key-from", metavar="VARIABLE", default="BEEKIT_API_KEY", help=key)
    add("--concurrency", type=int, default=16, help="questions asked at once (endpoint)")
    add("--timeout", type=float, default=120, help="seconds until a request fails (endpoint)")
    add("--patience", type=float, default=600, help="seconds to retry a question (endpoint)")
    add("--extra", metavar="JSON", default="{}", help="further request fields (endpoint)")
    add("--batch-size", type=int, default=8, help="questions asked at once (local)")
    add("--revision", help="branch, tag or commit of a model on the Hub (local)")
    add("--device", help="cpu, cuda, ... (local)")
    add("--prompt", metavar="FILE", help="file with the question; {item} stands for the fields")
    add("--column", default=DEFAULT_COLUMN, help="name of the new column (default: %(default)s)")
    add("--max-tokens", type=int, default=200, help="length of an answer at most")
    add("--temperature", type=float, default=0.0, help="0: no random draw")
    add("--seed", type=int, default=0, help="seed of the draw if the temperature is above 0")
    add("--limit", type=int, metavar="N", help="ask about at most N items, then stop")
    add("--retry-refusals", action="store_true", help="ask again about refused items")
    options = parser.parse_args(argv)

    def work() -> None:
        prompt = Path(options.prompt).read_text(encoding="utf-8") if options.prompt else PROMPT
        task = Task(options.fields, prompt.strip(), options.column)
        require_data_folder(options.folder)
        model = _model(options)
        limit, again = options.limit, options.retry_refusals
        _print(describe(options.folder, model, task, limit=limit, retry_refusals=again))

    room = "room for another copy of the items table. Free some space; answers so far are kept."
    return exit_code(Path(parser.prog).stem, work, room=room)


def _model(options: argparse.Namespace) -> ChatModel:
    extra = _request_fields(options.extra)
    sampling = Sampling(options.max_tokens, options.temperature, options.seed, extra)
    if options.endpoint:
        key = os.environ.get(options.key_from)
        pace = (options.concurrency, options.timeout, options.patience)
        return EndpointChat(options.endpoint, options.model, sampling, key, options.key_from, *pace)
    from beekit.describe.local import LocalChat  # imported here, because it loads torch

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
        (done.trimmed, "were cut off (--max-tokens) and end at their last complete sentence"),
        (done.without_fields, "have no text in their fields, so the model was not asked"),
        (done.unanswered, "got no answer; the same command asks again"),
        (done.left, "are left, so the table is not written yet; leave out --limit to finish"),
    ):
        if count:
            print(f"{count:,} {what}")
    for reason, count in Counter(entry.reason for entry in done.refused).most_common():
        first = next(entry for entry in done.refused if entry.reason == reason)
        print(f"{count:,} without description: {reason}, such as {first.item_id!r}", end="")
        print(f": {' '.join(first.answer.split())[:80]!r}" if first.answer else "")
