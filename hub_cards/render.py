"""Render the model cards in this folder, every number from the results beside them.

    python hub_cards/render.py              each NAME.yaml with NAME.results.json to NAME.md
    python hub_cards/render.py NAME RUN     the same for one model, after taking a run's results

A card on the Hub is the same but for the name of its repository and a chart of the table:

    beekit push RUN --card hub_cards/NAME.yaml --repo user/NAME
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from beekit.files import write_json, write_text
from beekit.hub import render_card
from beekit.hub.card_facts import load_facts
from beekit.hub.redaction import public_results

HERE = Path(__file__).parent

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("name", nargs="?", help="of one model")
parser.add_argument("run", nargs="?", help="a finished run, whose results the card shall have")
options = parser.parse_args()
names = [options.name] if options.name else sorted(path.stem for path in HERE.glob("*.yaml"))
for name in names:
    results = HERE / f"{name}.results.json"
    if options.run:
        measured = json.loads((Path(options.run) / "results.json").read_text(encoding="utf-8"))
        write_json(results, public_results(measured))
    facts = load_facts(HERE / f"{name}.yaml")
    card = render_card(
        json.loads(results.read_text(encoding="utf-8")),
        facts.replace(repo=facts.repo or f"user/{name}"),
    )
    write_text(HERE / f"{name}.md", card)
    print(f"{name}.md")
