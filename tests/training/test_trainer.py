"""The Trainer: it learns, honours seeds, and survives being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from beekit import (
    BeeFormerTrainer,
    BeeFormerTrainingArguments,
    HeldOutEvaluator,
    cold_start_split,
    load_encoder,
)
from beekit.encoders import ItemTokens
from beekit.errors import ConfigError, DataError


@pytest.fixture
def split(shop_dataset):
    return cold_start_split(shop_dataset.interactions, fraction=0.2, seed=3)


def make_trainer(encoder_folder, dataset, split, out, evaluator=True, **arguments):
    encoder = load_encoder(encoder_folder, device="cpu")
    tokens = ItemTokens(encoder, dataset.catalog.texts)
    given = {
        "users_per_step": 60,
        "items_per_step": 100,
        "max_steps": 4,
        "learning_rate": 3e-3,
        "disable_tqdm": True,
        **arguments,
    }
    args = BeeFormerTrainingArguments(output_dir=str(out), **given)
    held = HeldOutEvaluator(split.validation, tokens) if evaluator else None
    return BeeFormerTrainer(encoder, args, interactions=split.train, items=tokens, evaluator=held)


def weights(trainer) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_training_lowers_the_loss_and_logs_every_step(
    encoder_folder, shop_dataset, split, tmp_path
):
    trainer = make_trainer(encoder_folder, shop_dataset, split, tmp_path, max_steps=150)
    trainer.train()
    losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 150
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


def test_seed_decides_the_result(encoder_folder, shop_dataset, split, tmp_path):
    def result(seed):
        trainer = make_trainer(
            encoder_folder, shop_dataset, split, tmp_path, seed=seed, dropout=True
        )
        trainer.train()
        return weights(trainer)

    first = result(1)
    assert same(first, result(1))
    assert not same(first, result(2))


def test_workers_change_nothing(encoder_folder, shop_dataset, split, tmp_path):
    results = []
    for workers in (0, 1, 2):
        trainer = make_trainer(
            encoder_folder, shop_dataset, split, tmp_path, dataloader_num_workers=workers
        )
        trainer.train()
        results.append(weights(trainer))
    assert same(results[0], results[1])
    assert same(results[0], results[2])


def test_the_best_checkpoint_on_validation_comes_back(
    encoder_folder, shop_dataset, split, tmp_path
):
    trainer = make_trainer(
        encoder_folder,
        shop_dataset,
        split,
        tmp_path,
        max_steps=6,
        learning_rate=3e-2,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        load_best_model_at_end=True,
        metric_for_best_model="calibrated_recall@20",
    )
    trainer.train()
    history = {
        entry["step"]: entry["eval_calibrated_recall@20"]
        for entry in trainer.state.log_history
        if "eval_calibrated_recall@20" in entry
    }
    assert sorted(history) == [2, 4, 6]
    best = max(history, key=lambda step: (history[step], -step))
    assert trainer.state.best_global_step == best
    saved = load_file(tmp_path / f"checkpoint-{best}" / "model.safetensors")
    now = trainer.model[0].auto_model.state_dict()
    assert all(torch.equal(now[name], saved[name]) for name in saved)


def test_no_checkpoint_has_its_final_name_before_it_is_complete(
    encoder_folder, shop_dataset, split, tmp_path, monkeypatch
):
    trainer = make_trainer(
        encoder_folder, shop_dataset, split, tmp_path, evaluator=False, save_steps=2
    )

    def fail(output_dir):
        raise RuntimeError("disk full")

    monkeypatch.setattr(trainer, "_save_optimizer_and_scheduler", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        trainer.train()
    assert not list(tmp_path.glob("checkpoint-*"))


_SCRIPT = """
import sys
from beekit import *
from beekit.encoders import ItemTokens
shop, encoder, out, resume = sys.argv[1:]
dataset = Dataset.load(shop, text="{text}")
split = cold_start_split(dataset.interactions, fraction=0.2, seed=3)
model = load_encoder(encoder, device="cpu")
args = BeeFormerTrainingArguments(
    output_dir=out, users_per_step=100, items_per_step=100, max_steps=14, save_steps=2,
    learning_rate=3e-3, dropout=True, disable_tqdm=True, lr_scheduler_type="cosine",
)
trainer = BeeFormerTrainer(model, args, interactions=split.train, items=dataset.catalog.texts)
trainer.train(resume_from_checkpoint=resume == "resume")
model.save(out + "/final")
"""


def test_killed_and_resumed_training_ends_with_the_same_bits(encoder_folder, shop_folder, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(_SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out, mode):
        command = [sys.executable, script, shop_folder, encoder_folder, out, mode]
        return subprocess.Popen([*map(str, command)], env=environment, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole", "fresh").wait() == 0
    killed = tmp_path / "killed"
    process = start(killed, "fresh")
    while not list(killed.glob("checkpoint-*")):
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "final").exists()
    assert start(killed, "resume").wait() == 0
    whole, resumed = (
        load_file(folder / "final" / "model.safetensors") for folder in (tmp_path / "whole", killed)
    )
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize(
    "arguments", [{"users_per_step": 0}, {"items_per_step": 1.5}, {"dropout": "false"}]
)
def test_impossible_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ConfigError, match="expected"):
        BeeFormerTrainingArguments(output_dir=str(tmp_path), **arguments)


def test_texts_of_another_catalog_are_refused(encoder, split, tmp_path):
    args = BeeFormerTrainingArguments(output_dir=str(tmp_path))
    with pytest.raises(DataError, match="one item a column"):
        BeeFormerTrainer(encoder, args, interactions=split.train, items=["only one"])


def test_users_without_pairs_are_refused(encoder, split, shop_dataset, tmp_path):
    lonely = split.train[:0]
    args = BeeFormerTrainingArguments(output_dir=str(tmp_path))
    with pytest.raises(DataError, match="two training interactions"):
        BeeFormerTrainer(encoder, args, interactions=lonely, items=shop_dataset.catalog.texts)


def test_saved_model_loads_in_plain_sentence_transformers(
    encoder_folder, shop_dataset, split, tmp_path
):
    from sentence_transformers import SentenceTransformer

    trainer = make_trainer(encoder_folder, shop_dataset, split, tmp_path / "run", evaluator=False)
    trainer.train()
    trainer.model.save(str(tmp_path / "model"))
    texts = shop_dataset.catalog.texts[:5]
    plain = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    np.testing.assert_array_equal(plain.encode(texts), trainer.model.eval().encode(texts))
