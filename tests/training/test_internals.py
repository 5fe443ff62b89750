"""What beekit overrides inside the Trainer is where it was, or a release that moved it is named."""

from __future__ import annotations

import inspect
from importlib import metadata

import pytest
import transformers
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.base.losses import CachedLossMixin
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.util import import_module_class
from transformers.trainer_callback import ProgressCallback

import beekit
from beekit.training import BeeFormerTrainer

TRAINER, ST = transformers.Trainer, SentenceTransformerTrainer
SAMPLER = ["dataset", "batch_size", "drop_last", "valid_label_columns", "generator", "seed"]
CALLBACK = ["args", "state", "control", "kwargs"]
# The class, and the parameters after `self`, of what we override or build on.
USED = {
    "_save_checkpoint": (TRAINER, ["model", "trial"]),
    "_maybe_log_save_evaluate": (
        TRAINER,
        [
            *("tr_loss", "grad_norm", "model", "trial", "epoch", "ignore_keys_for_eval"),
            *("start_time", "learning_rate"),
        ],
    ),
    "_load_best_model": (ST, []),
    "_get_output_dir": (TRAINER, ["trial"]),
    "save_model": (TRAINER, ["output_dir", "_internal_call"]),
    "training_step": (TRAINER, ["model", "inputs", "num_items_in_batch"]),
    "_load_from_checkpoint": (ST, ["checkpoint_path"]),
    "preprocess_dataset": (ST, ["dataset", "dataset_name"]),
    "add_model_card_callback": (ST, ["default_args_dict"]),
    "get_batch_sampler": (ST, SAMPLER),
    "_build_dataloader": (ST, ["dataset", "batch_size", "dataset_kind"]),
    "compute_loss": (ST, ["model", "inputs", "return_outputs", "num_items_in_batch"]),
    "__init__": (DefaultBatchSampler, SAMPLER),
    "forward_cached": (CachedLossMixin, ["sentence_features", "labels"]),
    "calculate_loss": (CachedLossMixin, ["reps", "labels", "with_backward"]),
    **{f"on_{when}": (ProgressCallback, CALLBACK) for when in ("train_begin", "step_end")},
    "on_train_end": (ProgressCallback, CALLBACK),
}


def version(package: str) -> str:
    return f"{package} {metadata.version(package)}"


@pytest.mark.parametrize("name", USED)
def test_what_is_overridden_takes_what_it_took(name):
    owner, expected = USED[name]
    package = owner.__module__.partition(".")[0].replace("_", "-")
    method = getattr(owner, name, None)
    found = list(inspect.signature(method).parameters)[1:] if method else "no such method"
    assert found == expected, (
        f"{version(package)} has {owner.__name__}.{name} with {found}, and beekit was written for "
        f"{expected}: adapt beekit/training, or narrow the range in pyproject.toml"
    )


def test_every_private_method_that_the_trainer_overrides_is_named_above():
    theirs = {name for base in BeeFormerTrainer.__mro__[1:] for name in vars(base)}
    own = {name for name in vars(BeeFormerTrainer) if name.startswith("_") and name in theirs}
    dunder = {name for name in own if name.startswith("__") or name in ("_abc_impl",)}
    assert own - dunder <= set(USED)


def test_a_checkpoint_is_saved_through_what_is_overridden():
    source = inspect.getsource(transformers.Trainer._save_checkpoint)
    for called in ("self._get_output_dir(", "self.save_model("):
        assert called in source, (
            f"{version('transformers')} saves checkpoints without {called}...): a checkpoint may "
            "get its final name before it is complete"
        )


def test_parts_in_the_namespace_of_sentence_transformers_are_imported_without_a_flag():
    for name in ("TextImage", "OpenCLIP"):
        try:
            found = import_module_class(f"{beekit.encoder_modules.NAMESPACE}.{name}", "folder")
        except (ImportError, ValueError) as error:
            pytest.fail(f"{version('sentence-transformers')} does not load saved models: {error}")
        assert found is getattr(beekit.encoder_modules, name)
    assert "trust_remote_code" in inspect.signature(SentenceTransformer.__init__).parameters
