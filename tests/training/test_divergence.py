"""Trainings whose numbers are no longer finite: they end at once, in one line, and nothing is kept
of them."""

from __future__ import annotations

import re

import pytest
import torch
import yaml
from one_pass import trainer_for
from safetensors.torch import load_file

from beekit import load_encoder
from beekit.cli import main
from beekit.errors import ConfigError, EncoderError


@pytest.fixture
def trainer(encoder_folder, shop_dataset, tmp_path):
    def make(**arguments):
        encoder = load_encoder(encoder_folder, device="cpu")
        given = {"dataloader_num_workers": 0, "save_steps": 1, "save_strategy": "steps"}
        made = trainer_for(encoder, shop_dataset, tmp_path / "out", **given, **arguments)
        made.args.max_steps = 4
        return made

    return make


def spoiled(trainer, monkeypatch, step, how):
    """The loss of one step, put through a function."""
    plainly = trainer.compute_loss

    def compute_loss(*args, **kwargs):
        loss = plainly(*args, **kwargs)
        return how(loss) if trainer.state.global_step == step - 1 else loss

    monkeypatch.setattr(trainer, "compute_loss", compute_loss)


def saved(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_at_once(trainer, monkeypatch, tmp_path, factor):
    training = trainer()
    spoiled(training, monkeypatch, 3, lambda loss: loss * factor)
    with pytest.raises(ConfigError, match=r"diverged in step 3: loss .*learning_rate=0.0001, floa"):
        training.train()
    assert saved(tmp_path / "out")[-1] == "checkpoint-2"
    kept = load_file(next((tmp_path / "out" / "checkpoint-2").rglob("model.safetensors")))
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())
    # Nothing is lost: the same training goes on from there.
    again = trainer()
    again.train(resume_from_checkpoint=True)
    assert again.state.global_step == 4


def test_a_gradient_that_is_no_number_is_not_stepped_along(trainer, monkeypatch, tmp_path):
    training = trainer()
    weight = next(training.model.parameters())
    weight.register_hook(
        lambda gradient: gradient * (torch.nan if training.state.global_step == 1 else 1)
    )
    with pytest.raises(ConfigError, match=r"diverged in step 2: a gradient of .* not finite"):
        training.train()
    assert torch.isfinite(weight).all()
    assert saved(tmp_path / "out") == ["checkpoint-1"]


def test_weights_that_a_step_spoils_are_not_saved(trainer, tmp_path):
    training = trainer(optim="sgd", learning_rate=3e38, max_grad_norm=0.0)
    for parameter in training.model.parameters():
        parameter.register_hook(lambda gradient: torch.full_like(gradient, 1e10))
    with pytest.raises(ConfigError, match=r"diverged in step 1: weights of .* not finite"):
        training.train()
    assert not any(name.startswith("checkpoint") for name in saved(tmp_path / "out"))


def test_an_encoder_of_weights_that_are_no_numbers_is_refused(trainer):
    training = trainer()
    with torch.no_grad():
        next(training.model.parameters())[0] = torch.nan
    with pytest.raises(EncoderError, match="not finite before step 1"):
        training.train()


def test_a_run_that_diverged_has_neither_model_nor_results(
    shop_folder, encoder_folder, tmp_path, capsys
):
    content = {
        "data": str(shop_folder),
        "out": str(tmp_path / "run"),
        "encoder": str(encoder_folder),
        "text": "{text}",
        "split": {"fraction": 0.2, "seed": 3},
        "training": {
            **{"users_per_step": 60, "items_per_step": 60, "max_steps": 4, "disable_tqdm": True},
            "learning_rate": 1e30,
        },
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    assert main(["train", str(config)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    # Told by the step, or by the embeddings of a validation after it.
    assert "not finite" in line
    assert re.search("(smaller|lower) learning.rate", line)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert not left & {"model", "results.json", "index"}
