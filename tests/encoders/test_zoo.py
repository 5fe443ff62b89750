"""Every kind of encoder that sentence-transformers loads: equal to its `encode`, or refused."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
import scipy.sparse as sp
import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule, Module
from sentence_transformers.sentence_transformer.modules import Pooling
from zoo import ZOO

from beekit import BeeFormerTrainer, BeeFormerTrainingArguments, embed_items, load_encoder
from beekit.encoders import ItemTokens
from beekit.encoders.precision import as_saved
from beekit.errors import BeekitError
from beekit.training.freezing import require_trainable

TEXTS = [
    *("red toner", "blue printer with two trays", "paper", "a printer", "toner for a blue printer"),
    *("chair of the office", "red chair", "paper of two sizes", "tray", "two toner , two papers"),
]
# What is refused, and a part of the line that says why.
REFUSED = {
    "GPT-2 without a padding token": "without a padding token",
    "SigLIP": "depend on padding",
    "CNN": "depend on padding",
    "CNN that sees padding": "depend on padding",
    "WordEmbeddings, frozen": "without a parameter to train",
    "BoW": "without a parameter to train",
    "Router of other tasks": "routes left, right and no default",
    "SparseStaticEmbedding": "cannot load the encoder",
}
# Modules of which encoders of single vectors are not made: those of the zoo's folders that other
# classes saved are replaced when they are loaded, and these would be too.
OF_OTHERS = {
    *("Module", "InputModule", "BaseTokenPooling"),  # what others derive from
    *("MLMTransformer", "LogitScore"),  # Transformer with a head, and what a CrossEncoder adds
    *("HierarchicalTokenPooling", "LambdaTokenPooling"),  # of several vectors a text
}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """A function for the folder of an encoder of the zoo, made once."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp("zoo") / "encoder"
            ZOO[name](made[name], TEXTS)
        return made[name]

    return make


def ready(folder) -> SentenceTransformer:
    """An encoder as `beekit train` has it before anything takes long."""
    encoder = load_encoder(folder, device="cpu")
    require_trainable(encoder)
    ItemTokens(encoder, TEXTS)
    return encoder


def one_step(encoder, folder) -> None:
    """Train on four users for a step that moves the weights."""
    X = sp.csr_array(np.random.default_rng(0).random((6, len(TEXTS))) < 0.5, dtype=np.float32)
    arguments = BeeFormerTrainingArguments(
        output_dir=str(folder),
        **{"users_per_step": 6, "items_per_step": 8, "mini_batch_tokens": 24, "max_steps": 1},
        **{"learning_rate": 1e-2, "lr_scheduler_type": "constant", "save_strategy": "no"},
        **{"disable_tqdm": True, "dataloader_num_workers": 0, "logging_strategy": "no"},
    )
    BeeFormerTrainer(encoder, arguments, interactions=X, items=TEXTS).train()


@pytest.mark.parametrize("name", ZOO)
def test_an_encoder_is_trained_and_saved_as_its_encode_reads_texts(name, folder_of, tmp_path):
    folder = folder_of(name)
    if name in REFUSED:
        with pytest.raises(BeekitError, match=REFUSED[name]) as refused:
            ready(folder)
        assert "\n" not in str(refused.value)
        return
    encoder = ready(folder)
    before = embed_items(encoder, TEXTS, mini_batch_tokens=16)
    np.testing.assert_allclose(before, encoder.encode(TEXTS, normalize_embeddings=True), atol=1e-5)
    one_step(encoder, tmp_path / "checkpoints")
    with as_saved(encoder):
        encoder.save(str(tmp_path / "model"), create_model_card=False)
    after = embed_items(encoder, TEXTS, mini_batch_tokens=16)
    assert np.abs(after - before).max() > 1e-4
    plain = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    half = plain.dtype in (torch.float16, torch.bfloat16)
    for encode in (plain.encode, plain.encode_document):
        found = np.asarray(encode(TEXTS, normalize_embeddings=True), dtype=np.float32)
        np.testing.assert_allclose(after, found, atol=2e-2 if half else 1e-5)
    again = embed_items(load_encoder(tmp_path / "model", device="cpu"), TEXTS)
    np.testing.assert_allclose(again, after, atol=1e-6)
    assert not (tmp_path / "model" / "adapter_config.json").exists()


def test_the_zoo_has_every_module_of_sentence_transformers(folder_of):
    """A module that a later version brings fails here until an encoder with it is in the zoo."""
    shipped = set()
    for package in pkgutil.iter_modules(sentence_transformers.__path__):
        name = f"sentence_transformers.{package.name}.modules"
        if importlib.util.find_spec(f"sentence_transformers.{package.name}") is None:
            continue
        try:
            modules = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        for exported in getattr(modules, "__all__", ()):
            kind = getattr(modules, exported)
            if isinstance(kind, type) and issubclass(kind, (Module, InputModule)):
                shipped.add(kind.__name__)  # some have two names
    kept = {
        line
        for name in ZOO
        for path in folder_of(name).rglob("*.json")
        if path.name in ("modules.json", "router_config.json")
        for line in path.read_text().replace('"', "\n").split("\n")
        if line.startswith("sentence_transformers.")
    }
    covered = {line.rpartition(".")[2] for line in kept}
    assert shipped - covered - OF_OTHERS == set()
    assert shipped >= OF_OTHERS
    pooled = {name.removeprefix("pooling ") for name in ZOO if name.startswith("pooling ")}
    assert pooled >= set(Pooling.POOLING_MODES)
