"""Fine-tune an encoder on a dataset folder and compare it, before and after, on cold items.

    python train/finetune.py DATA ENCODER OUT --text "{title}. {description}" --max-steps 30

The same as `beekit train` without a configuration, to copy and change.
"""

from __future__ import annotations

import argparse

from beekit import (
    BeeFormerTrainer,
    BeeFormerTrainingArguments,
    Dataset,
    ItemIndex,
    cold_start_split,
    embed_items,
    evaluate,
    load_encoder,
)
from beekit.evaluation import compare
from beekit.launcher import launched_processes

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", help="dataset folder")
parser.add_argument("encoder", help="model name or folder")
parser.add_argument("out", help="folder for checkpoints and the model")
parser.add_argument("--text", help="template over item columns")
parser.add_argument("--min-value", type=float, help="smallest value that counts")
parser.add_argument("--max-seq-length", type=int)
parser.add_argument("--max-steps", type=int, default=30)
options = parser.parse_args()
if launched_processes() > 1:
    parser.error("one process evaluates and writes; start it without a launcher")

dataset = Dataset.load(options.data, text=options.text, min_value=options.min_value)
split = cold_start_split(dataset.interactions, fraction=0.2, seed=42)
encoder = load_encoder(options.encoder, max_seq_length=options.max_seq_length)
texts = dataset.catalog.texts

before = evaluate(ItemIndex(embed_items(encoder, texts)), split.test, model="pretrained")
arguments = BeeFormerTrainingArguments(
    output_dir=f"{options.out}/checkpoints", max_steps=options.max_steps
)
BeeFormerTrainer(encoder, arguments, interactions=split.train, items=texts).train()
after = evaluate(ItemIndex(embed_items(encoder, texts)), split.test, model="fine-tuned")
encoder.save(f"{options.out}/model")

for evaluation in (before, after):
    for name, metric in evaluation.metrics.items():
        low, high = metric.get("ci95_items", metric["ci95"])
        print(f"{evaluation.model:12} {name:22} {metric['value']:.4f} ({low:.4f}-{high:.4f})")
metric = "calibrated_recall@20"
gain = compare(after.per_user[metric], before.per_user[metric])
print(f"gain in {metric}: {gain.difference:.4f}, p = {gain.p_value:.2g}, {gain.users:,} users")
print("95% intervals over users and items, of coverage over users")
print(f"settings: the library's defaults, {options.max_steps} steps")
