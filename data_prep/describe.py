r"""One paragraph about each item by a chat model, as a new column of a dataset folder.

    python data_prep/describe.py books --fields "{title}. {authors}. {tags}" \
        --model NAME --endpoint http://localhost:8000/v1 --concurrency 64
    python data_prep/describe.py books --fields "{title}" --model FOLDER --device cuda

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
import sys
from collections import Counter
from pathlib import Path

from beekit.describe import PROMPT, EndpointChat, Sampling, Task, describe
from beekit.errors import ConfigError
from beekit.exit_codes import exit_code

about, _, usage = (__doc__ or "").partition("\n\n")
parser = argparse.ArgumentParser(
    description=about, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("folder", metavar="DATASET_FOLDER")
parser.add_argument("--fields", required=True, help='of an item: "{title}. {authors}. {tags}"')
parser.add_argument("--model", required=True, help="name the endpoint knows, folder, or Hub name")
parser.add_argument("--endpoint", metavar="URL", help="OpenAI-compatible; without it, run here")
parser.add_argument("--key-from", metavar="VARIABLE", default="BEEKIT_API_KEY")
parser.add_argument("--concurrency", type=int, default=16, help="questions in flight (endpoint)")
parser.add_argument("--timeout", type=float, default=120, help="seconds (endpoint)")
parser.add_argument("--patience", type=float, default=600, help="seconds of retries (endpoint)")
parser.add_argument("--extra", metavar="JSON", default="{}", help="request fields (endpoint)")
parser.add_argument("--batch-size", type=int, default=8, help="questions at a time (local)")
parser.add_argument("--revision", help="branch, tag or commit of a Hub model (local)")
parser.add_argument("--device", help="cpu, cuda, ... (local)")
parser.add_argument("--prompt", metavar="FILE", help="the question, with {item} for the fields")
parser.add_argument("--column", default="description")
parser.add_argument("--max-tokens", type=int, default=200)
parser.add_argument("--temperature", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--limit", type=int, metavar="N", help="ask about N items, then stop")
parser.add_argument("--retry-refusals", action="store_true", help="ask about those again")
options = parser.parse_args()


def extra() -> dict[str, object]:
    try:
        fields = json.loads(options.extra)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        return fields
    raise ConfigError(
        f"--extra {options.extra}", expected='a JSON object: {"top_p": 0.9}', remedy="Correct it."
    )


def main() -> None:
    prompt = Path(options.prompt).read_text(encoding="utf-8") if options.prompt else PROMPT
    task = Task(options.fields, prompt.strip(), options.column)
    sampling = Sampling(options.max_tokens, options.temperature, options.seed, extra())
    if options.endpoint:
        model = EndpointChat(
            options.endpoint,
            options.model,
            sampling,
            key=os.environ.get(options.key_from),
            key_name=options.key_from,
            concurrency=options.concurrency,
            timeout=options.timeout,
            patience=options.patience,
        )
    else:
        from beekit.describe.local import LocalChat  # loads torch

        model = LocalChat.load(
            options.model,
            sampling,
            batch_size=options.batch_size,
            device=options.device,
            revision=options.revision,
        )
    done = describe(
        options.folder, model, task, limit=options.limit, retry_refusals=options.retry_refusals
    )
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


room = "room for the items table again. Free some: what was answered is kept."
sys.exit(exit_code("describe", main, room=room))
