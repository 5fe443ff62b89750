"""Every argument that works has an effect on a training."""

from __future__ import annotations

import pytest
import torch

from beekit import (
    BeeFormerTrainer,
    BeeFormerTrainingArguments,
    HeldOutEvaluator,
    cold_start_split,
    load_encoder,
)
from beekit.encoders import ItemTokens
from beekit.errors import ConfigError
from beekit.training.keys import WORKS

USUAL = {
    **{"users_per_step": 60, "items_per_step": 100, "learning_rate": 3e-3, "max_steps": 3},
    **{"use_cpu": True, "disable_tqdm": True, "dataloader_num_workers": 0},
    **{"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1},
    **{"metric_for_best_model": "ndcg@5", "greater_is_better": True},
}
# What a key changes, beside arguments that it needs: the weights, the steps taken, what is logged,
# which checkpoints are left.
ONE = {"max_steps": -1, "num_train_epochs": 1}
WEIGHTS, STEPS, LOGS, SAVED = "weights", "steps", "logs", "saved"
EFFECTS = {
    "users_per_step": (WEIGHTS, 30),
    "items_per_step": (WEIGHTS, 40),
    "dropout": (WEIGHTS, True),
    "last_layers": (WEIGHTS, 1),
    "lora": (WEIGHTS, 2),
    "num_train_epochs": (STEPS, 0.4, {"max_steps": -1, "num_train_epochs": 0.8}),
    "max_steps": (STEPS, 2),
    "gradient_accumulation_steps": (WEIGHTS, 2),
    "dataloader_drop_last": (
        STEPS,
        True,
        {"max_steps": -1, "num_train_epochs": 1, "users_per_step": 110},
    ),
    "learning_rate": (WEIGHTS, 1e-3),
    "learning_rate_mapping": (WEIGHTS, {"layer": 0.01}),
    "lr_scheduler_type": (WEIGHTS, "cosine"),
    "warmup_steps": (WEIGHTS, 2),
    "warmup_ratio": (WEIGHTS, 0.5),
    "optim": (WEIGHTS, "sgd"),
    "weight_decay": (WEIGHTS, 0.1),
    "adam_beta1": (WEIGHTS, 0.5),
    "adam_beta2": (WEIGHTS, 0.5),
    "adam_epsilon": (WEIGHTS, 0.1),
    "max_grad_norm": (WEIGHTS, 1e-4, {"optim": "sgd"}),
    "seed": (WEIGHTS, 3),
    "data_seed": (WEIGHTS, 4),
    "bf16": (WEIGHTS, True),
    "logging_strategy": (LOGS, "no"),
    "logging_steps": (LOGS, 2),
    "logging_first_step": (LOGS, True, {"logging_steps": 2}),
    "eval_strategy": (LOGS, "no"),
    "eval_steps": (LOGS, 2),
    "eval_delay": (LOGS, 2),
    "eval_on_start": (LOGS, True),
    "save_strategy": (SAVED, "no"),
    "save_steps": (SAVED, 2),
    "save_total_limit": (SAVED, 1),
    "load_best_model_at_end": (WEIGHTS, True, {"learning_rate": 0.5}),
    "metric_for_best_model": (LOGS, "ndcg@3"),
    "greater_is_better": (WEIGHTS, False, {"load_best_model_at_end": True, "learning_rate": 0.5}),
}
# Tested elsewhere, or without an effect that shows on a small encoder and a CPU.
ELSEWHERE = {
    "mini_batch_tokens": "test_loss.py: the same gradient in other pieces",
    "dataset_batches": "test_batches.py",
    "fp16": "refused without a GPU, below",
    "use_cpu": "above, in every training",
    "activation_checkpointing": "below",
    "gradient_checkpointing": "below",
    "dataloader_num_workers": "test_trainer.py: the steps are the same ones",
    "disable_tqdm": "test_trainer.py",
}


@pytest.fixture(scope="module")
def split(shop_dataset):
    return cold_start_split(shop_dataset.interactions, fraction=0.2, seed=3)


@pytest.fixture(scope="module")
def trained(encoder_folder, shop_dataset, split, tmp_path_factory):
    known: dict[str, dict] = {}

    def train(**given):
        name = repr(sorted(given.items(), key=str))
        if name not in known:
            known[name] = _train(encoder_folder, shop_dataset, split, tmp_path_factory, given)
        return known[name]

    return train


def _train(encoder_folder, dataset, split, tmp_path_factory, given):
    out = tmp_path_factory.mktemp("checkpoints")
    encoder = load_encoder(encoder_folder, device="cpu")
    tokens = ItemTokens(encoder, dataset.catalog.texts)
    args = BeeFormerTrainingArguments(output_dir=str(out), **{**USUAL, **given})
    metric = args.metric_for_best_model
    trainer = BeeFormerTrainer(
        encoder,
        args,
        interactions=split.train,
        items=tokens,
        evaluator=HeldOutEvaluator(split.validation, tokens, metric),
    )
    trainer.train()
    log = [set(entry) - {"train_runtime"} for entry in trainer.state.log_history]
    return {
        WEIGHTS: torch.cat([p.detach().flatten() for p in encoder.parameters()]).tolist(),
        STEPS: trainer.state.global_step,
        LOGS: [sorted(names) for names in log],
        SAVED: sorted(path.name for path in out.iterdir()),
    }


def test_each_argument_that_works_has_a_test():
    assert {*EFFECTS, *ELSEWHERE} == set(WORKS)
    assert not {*EFFECTS} & {*ELSEWHERE}


@pytest.mark.parametrize("name", EFFECTS)
def test_the_argument_has_an_effect(name, trained):
    what, value, *beside = EFFECTS[name]
    others = beside[0] if beside else {}
    without, within = trained(**others), trained(**{**others, name: value})
    assert within[what] != without[what]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["activation_checkpointing", "gradient_checkpointing"])
def test_checkpointing_trains_to_the_same_weights(name, trained):
    plain, checkpointed = trained(dropout=True), trained(dropout=True, **{name: True})
    assert checkpointed[WEIGHTS] == pytest.approx(plain[WEIGHTS], abs=1e-4)


def test_fp16_is_refused_on_a_cpu(trained):
    with pytest.raises(ConfigError, match="fp16 on a CPU"):
        trained(fp16=True)


def test_a_warm_up_longer_than_the_training_is_refused(trained):
    with pytest.raises(ConfigError, match="warmup_steps=60, and 5 steps"):
        trained(warmup_steps=60, max_steps=-1, num_train_epochs=1)


def test_a_pattern_of_weights_that_matches_none_is_refused(trained):
    with pytest.raises(ConfigError, match="matches no weight"):
        trained(learning_rate_mapping={"nothing_of_this_name": 0.1})


def test_layers_that_the_encoder_does_not_have_are_refused_before_training(
    encoder_folder, shop_dataset, split, tmp_path
):
    encoder = load_encoder(encoder_folder, device="cpu")
    tokens = ItemTokens(encoder, shop_dataset.catalog.texts)
    for given in ({"last_layers": 5}, {"lora": 2, "last_layers": 5}):
        own = {**USUAL, "eval_strategy": "no", **given}
        args = BeeFormerTrainingArguments(output_dir=str(tmp_path), **own)
        with pytest.raises(ConfigError, match="last_layers=5 for an encoder of 1"):
            BeeFormerTrainer(encoder, args, interactions=split.train, items=tokens)
