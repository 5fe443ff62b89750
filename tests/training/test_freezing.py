"""Training a part of an encoder: the parameters meant and no others, and plain models after."""

from __future__ import annotations

import json
import sys

import numpy as np
import open_clip
import pytest
import scipy.sparse as sp
import torch
import transformers
from sentence_transformers import SentenceTransformer
from torch import nn
from transformers import TrainerCallback

from beekit import (
    BeeFormerTrainer,
    BeeFormerTrainingArguments,
    HeldOutEvaluator,
    ItemIndex,
    cold_start_split,
    embed_items,
    load_encoder,
)
from beekit.cli import main
from beekit.encoders import ItemTokens
from beekit.encoders.inputs import features
from beekit.errors import ConfigError, EncoderError
from beekit.quickstart import build_encoder
from beekit.training import ELSALoss
from beekit.training.freezing import block_stacks, trained_part

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
VISION = {**SIZES, "image_size": 32, "patch_size": 16}
TEXT = {**SIZES, "vocab_size": 60}


class Tower(nn.Module):
    """A model behind the features of the Trainer."""

    def __init__(self, model: nn.Module, embed) -> None:
        super().__init__()
        self.model, self.embed = model, embed

    def forward(self, features):
        return {**features, "sentence_embedding": self.embed(self.model, features)}


class Pictures:
    """Pixels or tokens of invented items, as `ItemInputs`."""

    def __init__(self, key: str, values: torch.Tensor) -> None:
        self.key, self.values = key, values
        self.distinct_of = np.arange(len(values))
        self.distinct_sizes = np.ones(len(values), dtype=np.int64)

    def __len__(self):
        return len(self.values)

    def distinct_features(self, positions):
        return {self.key: self.values[torch.from_numpy(positions)], "modality": "image"}

    def mini_batches(self, tokens):
        return {"mini_batch_size": 8}


def pixels(items=30):
    generator = torch.Generator().manual_seed(0)
    return Pictures("pixel_values", torch.randn(items, 3, 32, 32, generator=generator))


def tokens(items=30):
    generator = torch.Generator().manual_seed(0)
    return Pictures("input_ids", torch.randint(3, 59, (items, 6), generator=generator))


def tiny_open_clip():
    return open_clip.CLIP(
        embed_dim=16,
        vision_cfg={"layers": 3, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32},
        text_cfg={"context_length": 6, "vocab_size": 60, "width": 32, "heads": 2, "layers": 2},
    )


def mean(model, given):
    return model(input_ids=given["input_ids"]).last_hidden_state.mean(1)


def pooled(model, given):
    return model(pixel_values=given["pixel_values"]).pooler_output


def clip_config():
    text = {**TEXT, "eos_token_id": 59, "bos_token_id": 0, "pad_token_id": 1}
    return transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)


def make(name: str) -> tuple[SentenceTransformer, Pictures]:
    """A tiny encoder of some architecture, and inputs for it."""
    t = transformers
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, embed = {
            "bert": lambda: (t.BertModel(t.BertConfig(**TEXT)), mean),
            "distilbert": lambda: (
                t.DistilBertModel(
                    t.DistilBertConfig(vocab_size=60, dim=32, n_layers=3, n_heads=2, hidden_dim=64)
                ),
                mean,
            ),
            "mpnet": lambda: (t.MPNetModel(t.MPNetConfig(**TEXT)), mean),
            "vit": lambda: (t.ViTModel(t.ViTConfig(**VISION)), pooled),
            "clip vision": lambda: (t.CLIPVisionModel(t.CLIPVisionConfig(**VISION)), pooled),
            "siglip": lambda: (t.SiglipVisionModel(t.SiglipVisionConfig(**VISION)), pooled),
            "dinov2": lambda: (t.Dinov2Model(t.Dinov2Config(**VISION)), pooled),
            "clip": lambda: (
                t.CLIPModel(clip_config()),
                lambda m, f: m.get_image_features(pixel_values=f["pixel_values"]).pooler_output,
            ),
            "open_clip image": lambda: (
                tiny_open_clip(),
                lambda m, f: m.encode_image(f["pixel_values"]),
            ),
            "open_clip text": lambda: (
                tiny_open_clip(),
                lambda m, f: m.encode_text(f["input_ids"]),
            ),
        }[name]()
    encoder = SentenceTransformer(modules=[Tower(model, embed)], device="cpu")
    reads_text = name in ("bert", "distilbert", "mpnet", "open_clip text")
    return encoder, tokens() if reads_text else pixels()


# Blocks of each tower, whether all run, and the beginnings of names of what comes after blocks.
AFTER = {
    "bert": ([3], 0, set()),
    "distilbert": ([3], 0, set()),
    "mpnet": ([3], 0, set()),
    "vit": ([3], 0, {"layernorm", "pooler"}),
    "clip vision": ([3], 0, {"post_layernorm"}),
    "siglip": ([3], 0, {"post_layernorm", "head"}),
    "dinov2": ([3], 0, {"layernorm"}),
    "clip": ([3, 3], 1, {"vision_model.post_layernorm", "visual_projection"}),
    "open_clip image": ([3, 2], 0, {"visual.ln_post", "visual.proj"}),
    "open_clip text": ([3, 2], 1, {"ln_final", "text_projection"}),
}


def sample_of(inputs):
    return features(inputs, np.arange(2))


def required(encoder) -> set[str]:
    return {name for name, p in encoder.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", AFTER)
def test_last_layers_are_found_in_every_architecture(name):
    encoder, inputs = make(name)
    depths, runs, after = AFTER[name]
    stacks = block_stacks(encoder)
    assert [len(stack) for stack in stacks] == depths
    names = {id(p): name for name, p in encoder.named_parameters()}
    everything = required(encoder)
    meant = {n for n in everything if any(n.startswith(f"0.model.{part}") for part in after)}
    for block in stacks[runs][-2:]:
        meant |= {names[id(p)] for p in block.parameters()}
    with trained_part(encoder, sample_of(inputs), last_layers=2) as part:
        assert required(encoder) == meant
        assert part.parameters == sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert required(encoder) == everything


@pytest.mark.parametrize("name", AFTER)
def test_merged_adapters_give_the_embeddings_they_gave_unmerged(name):
    encoder, inputs = make(name)
    encoder.eval()
    given, keys = sample_of(inputs), encoder.state_dict().keys()
    frozen = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad():
        start = encoder(dict(given))["sentence_embedding"]
    with trained_part(encoder, given, lora=4, seed=1) as part:
        with torch.inference_mode():
            torch.testing.assert_close(
                encoder(dict(given))["sentence_embedding"], start, rtol=0, atol=1e-6
            )
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for p in encoder.parameters():
                if p.requires_grad:
                    p.copy_(torch.randn(p.shape, generator=generator) / 10)
        adapted = encoder(dict(given))["sentence_embedding"]
        adapted.square().sum().backward()
        assert all(bool(p.grad.any()) for p in encoder.parameters() if p.requires_grad)
        copied = part.adapters.merged()
        now = {n.replace("base_layer.", ""): value for n, value in encoder.state_dict().items()}
        assert all(torch.equal(now[name], value) for name, value in frozen.items())
    merged = encoder(dict(given))["sentence_embedding"]
    assert float((adapted.detach() - start).abs().max()) > 0.01
    torch.testing.assert_close(merged, adapted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(copied(dict(given))["sentence_embedding"], merged)
    assert encoder.state_dict().keys() == keys == copied.state_dict().keys()


def test_adapters_in_torch_attention_have_the_gradient_of_what_they_compute():
    encoder, inputs = make("open_clip image")
    encoder.double().eval()
    given = {"pixel_values": sample_of(inputs)["pixel_values"].double()}

    def value():
        return encoder(dict(given))["sentence_embedding"].square().sum()

    with trained_part(encoder, given, lora=2):
        named = {n: p for n, p in encoder.named_parameters() if p.requires_grad}
        for p in named.values():
            p.data = p.data.double()
        name = next(n for n in named if "out_proj.lora_B" in n)
        value().backward()
        moved, step = named[name], 1e-5
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                moved[0, 0] += sign * step
                values.append(value().item())
                moved[0, 0] -= sign * step
        # Central differences: the error is of the order of step², and of rounding over step.
        slope = (values[0] - values[1]) / (2 * step)
        assert moved.grad[0, 0].item() == pytest.approx(slope, rel=1e-6, abs=1e-8)


def shop_of(items=30, users=40):
    generator = np.random.default_rng(0)
    return sp.csr_array((generator.random((users, items)) < 0.2).astype(np.float32))


def trainer_of(encoder, inputs, out, interactions=None, **arguments):
    args = BeeFormerTrainingArguments(
        output_dir=str(out),
        **{
            "users_per_step": 20,
            "items_per_step": 20,
            "max_steps": 2,
            "learning_rate": 1e-2,
            "save_strategy": "no",
            "disable_tqdm": True,
            "dataloader_num_workers": 0,
            **arguments,
        },
    )
    rows = shop_of(len(inputs)) if interactions is None else interactions
    return BeeFormerTrainer(encoder, args, interactions=rows, items=inputs)


class Watch(TrainerCallback):
    """What the optimizer holds, and what required gradients, after a step."""

    def on_step_end(self, args, state, control, model=None, optimizer=None, **_):
        held = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert len(held) == len(set(held))
        self.held = {name for name, p in model.named_parameters() if id(p) in set(held)}
        self.all_held = len(self.held) == len(held)
        self.required = required(model)


@pytest.mark.parametrize("name", ["bert", "vit", "open_clip image"])
@pytest.mark.parametrize("how", [{"last_layers": 1}, {"lora": 4}, {"lora": 4, "last_layers": 1}])
def test_only_the_parameters_meant_change(name, how, tmp_path):
    encoder, inputs = make(name)
    names = {id(p): n for n, p in encoder.named_parameters()}
    stack = block_stacks(encoder)[0]
    blocks = stack[-how["last_layers"] :] if "last_layers" in how else stack
    if "lora" in how:
        # Matrices of blocks; embeddings, norms and biases are no linear maps.
        meant = {names[id(p)] for block in blocks for p in block.parameters() if p.ndim == 2}
    else:
        meant = {names[id(p)] for block in blocks for p in block.parameters()}
        meant |= {
            n for n in names.values() if any(n.startswith(f"0.model.{a}") for a in AFTER[name][2])
        }
    before = {n: value.clone() for n, value in encoder.state_dict().items()}
    trainer, watch = trainer_of(encoder, inputs, tmp_path, **how), Watch()
    trainer.add_callback(watch)
    trainer.train()
    after = encoder.state_dict()
    assert after.keys() == before.keys()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    # Softmax is invariant to the bias of keys, whose gradient is rounding, or nothing at all.
    without_gradient = {n for n in meant if n.endswith(("key.bias", "k_proj.bias"))}
    assert meant - without_gradient <= changed <= meant
    assert watch.all_held
    assert watch.held == watch.required
    assert all("lora_" in n for n in watch.held) == ("lora" in how)
    assert 0 < trainer.trained_parameters < sum(p.numel() for p in encoder.parameters())


def test_gradient_of_the_last_layers_is_the_full_gradient_of_them():
    encoder, inputs = make("bert")
    encoder.double().eval()
    X = torch.tensor(shop_of().toarray()).double()
    given = features(inputs, np.arange(len(inputs)))

    def gradients():
        encoder.zero_grad(set_to_none=True)
        ELSALoss(encoder, mini_batch_size=8)([dict(given)], X).backward()
        return {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}

    full = gradients()
    with trained_part(encoder, given, last_layers=2):
        part = gradients()
        assert part.keys() == required(encoder)
    for name, gradient in part.items():
        torch.testing.assert_close(gradient, full[name], rtol=0, atol=1e-12)


def test_modules_after_the_first_are_trained_with_no_layers(shop, tmp_path):
    from sentence_transformers.sentence_transformer.modules import Dense

    encoder = build_encoder(shop.texts, dims=32, layers=2)
    encoder.append(Dense(32, 8))
    before = {n: p.detach().clone() for n, p in encoder.named_parameters()}
    inputs = ItemTokens(encoder, shop.texts[:30])
    trainer_of(encoder, inputs, tmp_path, last_layers=0).train()
    changed = {n for n, p in encoder.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"2.linear.weight", "2.linear.bias"}


def test_frozen_parameters_stay_frozen_and_flags_come_back():
    encoder, inputs = make("vit")
    block = block_stacks(encoder)[0][-1]
    block.mlp.requires_grad_(False)
    flags = required(encoder)
    with trained_part(encoder, sample_of(inputs), last_layers=1):
        assert not any(".layers.2.mlp." in name for name in required(encoder))
    assert required(encoder) == flags


def test_adapters_leave_nothing_behind_when_training_fails(tmp_path):
    encoder, inputs = make("open_clip image")
    keys, flags = list(encoder.state_dict()), required(encoder)

    class Fail(TrainerCallback):
        def on_step_end(self, *args, **kwargs):
            raise RuntimeError("power cut")

    trainer = trainer_of(encoder, inputs, tmp_path, lora=2)
    trainer.add_callback(Fail())
    with pytest.raises(RuntimeError, match="power cut"):
        trainer.train()
    assert set(encoder.state_dict()) == set(keys)
    assert required(encoder) == flags


HOW = [{"last_layers": 1}, {"lora": 4}, {"lora": 2, "last_layers": 1}]


@pytest.mark.parametrize("how", HOW)
def test_interrupted_and_resumed_training_ends_with_the_same_bits(how, shop, tmp_path):
    texts, interactions = shop.texts[:60], shop_of(60)

    def start(out):
        encoder = build_encoder(shop.texts, dims=32, layers=2)
        common = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "dropout": True}
        inputs = ItemTokens(encoder, texts)
        return trainer_of(encoder, inputs, out, interactions, **common, **how)

    class Interrupt(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 3:
                raise KeyboardInterrupt

    whole = start(tmp_path / "whole")
    whole.train()
    broken = start(tmp_path / "broken")
    broken.add_callback(Interrupt())
    with pytest.raises(KeyboardInterrupt):
        broken.train()
    resumed = start(tmp_path / "broken")
    resumed.train(resume_from_checkpoint=True)
    again = start(tmp_path / "broken")  # nothing left to train
    again.train(resume_from_checkpoint=True)
    weights = whole.model.state_dict()
    for other in (resumed, again):
        assert other.model.state_dict().keys() == weights.keys()
        assert all(torch.equal(v, weights[n]) for n, v in other.model.state_dict().items())
    assert whole.trained_parameters == again.trained_parameters > 0


@pytest.fixture(scope="module")
def begun(shop, shop_dataset, encoder_folder, tmp_path_factory):
    """An encoder whose embeddings of words have learnt a little; random ones are no start."""
    folder = tmp_path_factory.mktemp("begun")
    split = cold_start_split(shop_dataset.interactions, fraction=0.2, seed=3)
    encoder = load_encoder(encoder_folder, device="cpu")
    inputs = ItemTokens(encoder, shop_dataset.catalog.texts)
    sizes = {"users_per_step": 150, "items_per_step": 150, "max_steps": 40, "learning_rate": 3e-3}
    trainer_of(encoder, inputs, folder, split.train, **sizes).train()
    encoder.save(str(folder / "encoder"))
    return folder / "encoder"


def test_checkpoints_load_plainly_and_the_best_comes_back(begun, shop_dataset, tmp_path):
    split = cold_start_split(shop_dataset.interactions, fraction=0.2, seed=3)
    encoder = load_encoder(begun, device="cpu")
    inputs = ItemTokens(encoder, shop_dataset.catalog.texts)
    args = BeeFormerTrainingArguments(
        output_dir=str(tmp_path),
        users_per_step=60,
        items_per_step=100,
        max_steps=6,
        learning_rate=3e-2,
        eval_strategy="steps",
        eval_steps=2,
        save_steps=2,
        save_total_limit=None,
        load_best_model_at_end=True,
        metric_for_best_model="ndcg@5",
        disable_tqdm=True,
        lora=4,
    )
    evaluator = HeldOutEvaluator(split.validation, inputs, "ndcg@5")
    trainer = BeeFormerTrainer(
        encoder, args, interactions=split.train, items=inputs, evaluator=evaluator
    )
    trainer.train()
    measured = {
        entry["step"]: entry["eval_ndcg@5"]
        for entry in trainer.state.log_history
        if "eval_ndcg@5" in entry
    }
    assert len(set(measured.values())) > 1, "evaluation has to see the adapters"
    texts = shop_dataset.catalog.texts[:9]
    encoder.eval()
    for step in measured:
        plain = SentenceTransformer(str(tmp_path / f"checkpoint-{step}"), device="cpu")
        assert not any("lora" in key for key in plain.state_dict())
        alike = np.allclose(plain.encode(texts), encoder.encode(texts), atol=1e-5)
        assert alike == (step == trainer.state.best_global_step)


def test_checkpoint_of_other_adapters_is_refused(shop, tmp_path):
    def start(rank):
        encoder = build_encoder(shop.texts, dims=32, layers=1)
        inputs = ItemTokens(encoder, shop.texts[:30])
        saving = {"save_strategy": "steps", "save_steps": 1}
        return trainer_of(encoder, inputs, tmp_path, lora=rank, **saving)

    start(4).train()
    with pytest.raises(ConfigError, match="the 12 of this training"):
        start(2).train(resume_from_checkpoint=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"last_layers": -1},
        {"last_layers": True},
        {"last_layers": 1.0},
        {"lora": 0},
        {"lora": "8"},
        {"lora": True},
        {"lora": 4, "last_layers": 0},
    ],
)
def test_impossible_arguments_are_refused(arguments, tmp_path):
    with pytest.raises(ConfigError, match="expected an integer of at least"):
        BeeFormerTrainingArguments(output_dir=str(tmp_path), **arguments)


def test_parts_that_are_not_there_are_refused(tmp_path):
    encoder, inputs = make("bert")
    with pytest.raises(ConfigError, match="an encoder of 3 transformer blocks"):
        trainer_of(encoder, inputs, tmp_path, last_layers=4).train()
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        trainer_of(encoder, inputs, tmp_path, last_layers=0).train()
    assert required(encoder) == {name for name, _ in encoder.named_parameters()}
    flat = Tower(nn.Linear(3 * 32 * 32, 4), lambda m, f: m(f["pixel_values"].flatten(1)))
    encoder = SentenceTransformer(modules=[flat], device="cpu")
    for how in ({"lora": 2}, {"last_layers": 1}):
        with pytest.raises(EncoderError, match="no stack of transformer blocks"):
            trainer_of(encoder, pixels(), tmp_path, **how).train()


def test_adapters_beside_adapters_are_refused(encoder, tmp_path):
    from peft import LoraConfig

    encoder.add_adapter(LoraConfig(r=2, target_modules=["query"]))
    inputs = ItemTokens(encoder, [f"item {i}" for i in range(30)])
    with pytest.raises(EncoderError, match="has adapters already"):
        trainer_of(encoder, inputs, tmp_path, lora=2).train()


def test_an_optimizer_without_the_adapters_is_refused(tmp_path):
    encoder, inputs = make("bert")
    trainer = trainer_of(encoder, inputs, tmp_path, lora=2)
    trainer.optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="an optimizer of your own"):
        trainer.train()


def test_missing_peft_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"pip install 'beekit\[peft\]'"):
        BeeFormerTrainingArguments(output_dir=str(tmp_path), lora=4)
    BeeFormerTrainingArguments(output_dir=str(tmp_path), last_layers=1)


def test_run_with_adapters_saves_a_plain_model_that_has_learnt(
    shop_folder, shop_dataset, begun, tmp_path
):
    out = tmp_path / "run"
    arguments = {
        "data": shop_folder,
        "out": out,
        "encoder": begun,
        "text": "{text}",
        "split.fraction": 0.2,
        "split.seed": 3,
        "training.users_per_step": 150,
        "training.items_per_step": 150,
        "training.max_steps": 40,
        "training.learning_rate": 1e-2,
        "training.dataloader_num_workers": 0,
        "training.lora": 4,
        "evaluation.metrics": "[calibrated_recall@5]",
    }
    config = tmp_path / "config.yaml"
    config.write_text("{}")
    assert main(["train", str(config), *(f"{k}={v}" for k, v in arguments.items())]) == 0
    results = json.loads((out / "results.json").read_text())
    recall = {
        row["model"]: row["metrics"]["calibrated_recall@5"]["value"] for row in results["rows"]
    }
    assert recall["fine-tuned"] > recall["pretrained"] + 0.02
    training = results["training"]
    assert (training["lora"], training["last_layers"]) == (4, None)
    assert training["trained_parameters"] < training["parameters"]
    assert "parameters trained" in (out / "report.html").read_text()
    saved = [path.name for path in (out / "model").rglob("*")]
    assert not any("adapter" in name for name in saved)
    plain = SentenceTransformer(str(out / "model"), device="cpu")
    assert not any("lora" in name for name in plain.state_dict())
    index = ItemIndex.load(out / "index").item_vectors
    embedded = embed_items(plain, shop_dataset.catalog.texts)
    np.testing.assert_allclose(index, embedded, rtol=0, atol=1e-5)
