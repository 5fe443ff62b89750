"""Where the time of a training step on pictures goes, and what memory does meanwhile.

    python eval/benchmark_pictures.py DATA ENCODER --image image --epochs 3

Decodes the pictures of a dataset folder into a fresh cache, once in this process and once in
workers, then trains. A step's data is made by a worker process while the step before it is
computed; what a step waits for its data is what that overlap leaves. Memory is that of this process
without pages of files, which the system takes back when it needs them, nor what workers hand over.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from beekit import BeeFormerTrainer, BeeFormerTrainingArguments, Dataset, load_encoder
from beekit.encoders import ItemPixels
from beekit.memory import keep_freed_memory

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("data", help="dataset folder")
parser.add_argument("encoder", help="image encoder")
parser.add_argument("--image", default="image", help="column of pictures")
parser.add_argument("--min-value", type=float)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--users-per-step", type=int, default=128)
parser.add_argument("--items-per-step", type=int, default=800)
parser.add_argument("--alone", type=int, default=1000, help="pictures decoded in one process")
options = parser.parse_args()

keep_freed_memory()
encoder = load_encoder(options.encoder, device="cpu")
dataset = Dataset.load(options.data, image=options.image, min_value=options.min_value)
images = dataset.catalog.images
process = psutil.Process()


def held() -> float:
    """MB of this process without pages of files and without tensors shared with workers."""
    info = process.memory_info()
    return (info.rss - info.shared) / 2**20


with tempfile.TemporaryDirectory() as cache:
    some = images.take(np.arange(len(images)) < options.alone)
    started = time.perf_counter()
    ItemPixels(encoder, some, f"{cache}/alone", workers=0)
    alone = len(some) / (time.perf_counter() - started)
    started = time.perf_counter()
    pixels = ItemPixels(encoder, images, f"{cache}/workers")
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in Path(cache, "workers").rglob("*.npy")) / 2**20
    print(
        f"{len(images):,} pictures decoded by workers in {seconds:.1f} s, "
        f"{len(images) / seconds:.0f} a second ({alone:.0f} in one process); cache {size:.0f} MB, "
        f"unusable {np.count_nonzero(pixels.unusable != '')}"
    )
    started = time.perf_counter()
    ItemPixels(encoder, images, f"{cache}/workers")
    print(f"found in the cache in {time.perf_counter() - started:.1f} s, nothing decoded")

    usable = pixels.unusable == ""
    interactions = dataset.interactions.matrix[:, usable]
    arguments = BeeFormerTrainingArguments(
        output_dir=f"{cache}/checkpoints",
        users_per_step=options.users_per_step,
        items_per_step=options.items_per_step,
        mini_batch_tokens=4096,
        disable_tqdm=True,
        max_steps=1,
    )
    trainer = BeeFormerTrainer(
        encoder, arguments, interactions=interactions, items=pixels.take(usable)
    )
    collate = trainer.data_collator
    started = time.perf_counter()
    collate([{"user": user} for user in range(options.users_per_step)])
    made = time.perf_counter() - started
    optimizer = trainer.create_optimizer()
    loader = trainer.get_train_dataloader()
    for epoch in range(1, options.epochs + 1):
        loader.set_epoch(epoch)
        waited, computed, memory = [], [], []
        steps = iter(loader)
        while True:
            started = time.perf_counter()
            batch = next(steps, None)
            if batch is None:
                break
            waited.append(time.perf_counter() - started)
            started = time.perf_counter()
            optimizer.zero_grad()
            trainer.compute_loss(encoder, dict(batch)).backward()
            optimizer.step()
            computed.append(time.perf_counter() - started)
            memory.append(held())
        # The first step of an epoch starts the worker.
        step, wait = np.mean(computed[1:]), np.mean(waited[1:])
        print(
            f"epoch {epoch}: {len(computed)} steps, {step:.2f} s computing and {wait:.3f} s waiting"
            f" for data ({wait / (step + wait):.1%}; {waited[0]:.2f} s before the first), which a "
            f"worker makes in {made:.2f} s; memory {min(memory):.0f} to {max(memory):.0f} "
            f"MB, {memory[-1]:.0f} at last"
        )
