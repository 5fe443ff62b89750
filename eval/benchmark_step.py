"""A training step against the bare encoder, in one process, alternating.

    python eval/benchmark_step.py DATA ENCODER --text "{title}. {plot_short}" --max-seq-length 64

The floor is what no implementation of the method can avoid: one forward pass without gradients,
one with, and one backward pass over the same items, length-sorted, in the same mini-batches, with
nothing around them. Prints the seconds of each round, the median ratio, and peak memory.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from transformers import TrainerCallback

from beekit import BeeFormerTrainer, BeeFormerTrainingArguments, Dataset, load_encoder
from beekit.encoders import ItemTokens
from beekit.memory import keep_freed_memory
from beekit.training.trainer import peak_memory

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", help="dataset folder")
parser.add_argument("encoder", help="model name or folder")
parser.add_argument("--text", help="template over item columns")
parser.add_argument("--min-value", type=float)
parser.add_argument("--max-seq-length", type=int)
parser.add_argument("--users-per-step", type=int, default=1024)
parser.add_argument("--items-per-step", type=int, default=800)
parser.add_argument("--mini-batch-tokens", type=int, default=2048)
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()

keep_freed_memory()
dataset = Dataset.load(options.data, text=options.text, min_value=options.min_value)
encoder = load_encoder(options.encoder, max_seq_length=options.max_seq_length)
tokens = ItemTokens(encoder, dataset.catalog.texts)


def floor_seconds(batch: dict[str, torch.Tensor]) -> float:
    """No-grad forward, forward and backward over the step's items, and nothing else."""
    features = {k.removeprefix("item_"): v for k, v in batch.items() if k.startswith("item_")}
    lengths = features["attention_mask"].sum(dim=1).tolist()
    encoder.eval()
    started = time.perf_counter()
    begin = 0
    while begin < len(lengths):
        end, total = begin, 0
        while end < len(lengths) and (end == begin or total + lengths[end] <= budget):
            total += lengths[end]
            end += 1
        part = {
            key: value[begin:end, : lengths[begin]].to(encoder.device)
            if isinstance(value, torch.Tensor)
            else value
            for key, value in features.items()
        }
        with torch.no_grad():
            encoder(dict(part))
        encoder(dict(part))["sentence_embedding"].sum().backward()
        begin = end
    if encoder.device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    encoder.zero_grad()
    return seconds


class Rounds(TrainerCallback):
    """Times the floor between steps, on the items of the step just made."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.floors: list[float] = []
        self.started = 0.0

    def on_step_begin(self, *_, **__) -> None:
        self.started = time.perf_counter()

    def on_step_end(self, *_, **__) -> None:
        if encoder.device.type == "cuda":
            torch.cuda.synchronize()
        self.steps.append(time.perf_counter() - self.started)
        self.floors.append(floor_seconds(seen[-1]))
        print(f"step {self.steps[-1]:.2f} s, floor {self.floors[-1]:.2f} s", flush=True)


budget = options.mini_batch_tokens
arguments = BeeFormerTrainingArguments(
    output_dir="/tmp/benchmark-step",
    users_per_step=options.users_per_step,
    items_per_step=options.items_per_step,
    mini_batch_tokens=budget,
    max_steps=options.rounds + 1,
    save_strategy="no",
    disable_tqdm=True,
)
seen: list[dict[str, torch.Tensor]] = []
rounds = Rounds()
trainer = BeeFormerTrainer(
    encoder,
    arguments,
    interactions=dataset.interactions.matrix,
    items=tokens,
    callbacks=[rounds],
)
plain_loss = trainer.compute_loss


def remember(model, inputs, *args, **kwargs):
    seen[:] = [dict(inputs)]
    return plain_loss(model, inputs, *args, **kwargs)


trainer.compute_loss = remember
trainer.train()
ratios = [s / f for s, f in zip(rounds.steps[1:], rounds.floors[1:], strict=True)]
print(f"ratio {statistics.median(ratios):.3f} (median of {len(ratios)}, first round left out)")
print(f"peak memory {peak_memory(encoder.device):,.0f} MB")
