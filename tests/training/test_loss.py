"""The ELSA loss against dense algebra, golden numbers and one-pass autograd."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from one_pass import both_ways, gradients, relative_error, trainer_for
from sentence_transformers.base.losses import gradcache
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss
from torch.nn import functional

from beekit.encoders import ItemTokens
from beekit.encoders.inputs import features
from beekit.errors import DataError
from beekit.training import ELSALoss, elsa_loss


class Linear(torch.nn.Module):
    """An encoder that is one linear map of features."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)

    def forward(self, features):
        return {"sentence_embedding": features["features"] @ self.weight + self.bias}


def loss_by_loops(A: np.ndarray, X: np.ndarray) -> float:
    total = 0.0
    for x in X:
        scores = np.zeros(len(A))
        for i in range(len(A)):
            for j in np.flatnonzero(x):
                scores[i] += (A[i] / np.linalg.norm(A[i])) @ (A[j] / np.linalg.norm(A[j]))
        predicted = np.maximum(scores - x, 0)
        p = predicted / max(np.linalg.norm(predicted), 1e-12)
        q = x / max(np.linalg.norm(x), 1e-12)
        total += ((p - q) ** 2).sum()
    return total / len(X)


def random_case(users=7, items=13, features=5, dims=4, seed=0):
    generator = np.random.default_rng(seed)
    F = torch.tensor(generator.normal(size=(items, features)))
    model = Linear(
        torch.tensor(generator.normal(size=(features, dims))),
        torch.tensor(generator.normal(size=dims)),
    )
    X = torch.tensor((generator.random((users, items)) < 0.3).astype(np.float64))
    return F, model, X


def test_loss_is_what_plain_loops_give():
    F, model, X = random_case()
    loss = ELSALoss(model, mini_batch_size=4)([{"features": F}], X)
    A = (F @ model.weight + model.bias).detach().numpy()
    assert loss.item() == pytest.approx(loss_by_loops(A, X.numpy()), rel=1e-12)


def test_a_case_by_hand():
    # Two users, three items at 0°, 60° and 90°. User 0 has items 0 and 1: item 0 scores cos 60° =
    # 1/2 from item 1 and the other way round, item 2 scores 0 + cos 30°.
    angles = torch.tensor([0.0, torch.pi / 3, torch.pi / 2], dtype=torch.float64)
    A = torch.stack([angles.cos(), angles.sin()], dim=1)
    X = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    cosine = (0.5 + 0.5) / (np.sqrt(0.25 + 0.25 + 0.75) * np.sqrt(2))
    # User 1 explains item 2 by nothing else, and predicts only item 1: cosine 0.
    expected = torch.tensor([2 - 2 * cosine, 2.0], dtype=torch.float64)
    torch.testing.assert_close(elsa_loss(A, X), expected, rtol=1e-12, atol=1e-12)


def test_golden_numbers_of_the_published_implementation(reference_folder):
    golden = np.load(reference_folder / "oracle" / "beeformer_linear_tiny.npz")
    items = np.concatenate([golden["pos"], golden["neg"]])
    X = torch.tensor(golden["X"][:, items], dtype=torch.float64)
    for mini_batch_size in (1, 5, 32):
        model = Linear(torch.tensor(golden["W"]), torch.tensor(golden["b"]))
        features = [{"features": torch.tensor(golden["F"][items])}]
        loss = ELSALoss(model, mini_batch_size=mini_batch_size)(features, X)
        loss.backward()
        m = len(items)
        assert loss.item() == pytest.approx(m * golden["loss"], rel=1e-12)
        np.testing.assert_allclose(model.weight.grad, m * golden["dW"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(model.bias.grad, m * golden["db"], rtol=0, atol=1e-12)
    A = torch.tensor(golden["A"], requires_grad=True)
    elsa_loss(functional.normalize(A, dim=-1), X).mean().backward()
    np.testing.assert_allclose(A.grad, m * golden["dA"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 20, 10**9])
def test_gradient_is_that_of_one_pass_for_any_blocks_and_layout(monkeypatch, layout, block):
    monkeypatch.setattr("beekit.training.loss._BLOCK_ELEMENTS", block)
    F, model, X = random_case()
    functional_loss = elsa_loss(
        functional.normalize(F @ model.weight + model.bias, dim=-1), X
    ).mean()
    expected = torch.autograd.grad(functional_loss, [model.weight, model.bias])
    labels = X if layout == "dense" else X.to_sparse_coo()
    loss = ELSALoss(model, mini_batch_size=3)([{"features": F}], labels)
    loss.backward()
    assert loss.item() == pytest.approx(functional_loss.item(), rel=1e-12)
    for parameter, gradient in zip((model.weight, model.bias), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)


def test_without_gradients_the_value_is_the_same():
    F, model, X = random_case()
    loss = ELSALoss(model, mini_batch_size=3)
    with torch.no_grad():
        value = loss([{"features": F}], X)
    assert value.item() == pytest.approx(loss([{"features": F}], X).item(), rel=1e-12)


def test_the_loss_is_that_of_the_dimensions_that_encode_keeps():
    F, model, X = random_case()
    model.truncate_dim = 3
    loss = ELSALoss(model, mini_batch_size=3)([{"features": F}], X)
    loss.backward()
    cut = functional.normalize((F @ model.weight + model.bias)[:, :3], dim=-1)
    assert loss.item() == pytest.approx(elsa_loss(cut, X).mean().item(), rel=1e-12)
    assert (model.weight.grad[:, 3:] == 0).all()
    assert (model.weight.grad[:, :3] != 0).any()


def test_labels_of_another_width_are_refused():
    F, model, X = random_case()
    with pytest.raises(DataError, match=r"expected \(users, 13\)"):
        ELSALoss(model)([{"features": F}], X[:, :-1])


@pytest.mark.parametrize("mini_batch_tokens", [1, 150, 400, 10**6])
def test_gradient_through_the_trainer_is_one_pass_autograd_with_dropout(
    encoder, shop_dataset, tmp_path, mini_batch_tokens
):
    found, expected = both_ways(
        encoder, shop_dataset, tmp_path, dropout=True, mini_batch_tokens=mini_batch_tokens
    )
    assert relative_error(found, expected) < 1e-6


@pytest.mark.parametrize("mini_batch_tokens", [1, 150, 400, 10**6])
def test_gradient_in_float64_without_dropout_is_exact(
    encoder, shop_dataset, tmp_path, mini_batch_tokens
):
    found, expected = both_ways(
        encoder.double(), shop_dataset, tmp_path, dropout=False, mini_batch_tokens=mini_batch_tokens
    )
    assert relative_error(found, expected) < 1e-12


def test_gradient_is_wrong_when_dropout_masks_are_not_replayed(
    encoder, shop_dataset, tmp_path, monkeypatch
):
    class Forgetful(contextlib.nullcontext):
        def __init__(self, *tensors) -> None:
            super().__init__()

    monkeypatch.setattr(gradcache, "RandContext", Forgetful)
    found, expected = both_ways(
        encoder, shop_dataset, tmp_path, dropout=True, mini_batch_tokens=400
    )
    assert relative_error(found, expected) > 0.05


def test_dropout_off_makes_passes_alike(encoder, shop_dataset, tmp_path):
    trainer = trainer_for(encoder, shop_dataset, tmp_path, dropout=False)
    batch = next(iter(trainer.get_train_dataloader()))
    encoder.train()
    first = trainer.compute_loss(encoder, dict(batch)).item()
    encoder.train()
    assert trainer.compute_loss(encoder, dict(batch)).item() == first


def test_matryoshka_trains_every_prefix(encoder, shop_dataset, tmp_path):
    tokens = ItemTokens(encoder, shop_dataset.catalog.texts)
    X = torch.tensor(shop_dataset.interactions.matrix[:30].toarray())
    items = features(tokens, np.arange(X.shape[1]))
    loss = MatryoshkaLoss(encoder, ELSALoss(encoder, mini_batch_size=50), [32, 8], [1.0, 0.5])
    encoder.eval()
    value = loss([items], X)
    value.backward()
    found = gradients(encoder)
    full = encoder(features(tokens, np.arange(X.shape[1])))["sentence_embedding"]
    expected = elsa_loss(functional.normalize(full, dim=-1), X).mean()
    expected = expected + 0.5 * elsa_loss(functional.normalize(full[:, :8], dim=-1), X).mean()
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert relative_error(found, gradients(encoder)) < 1e-5


def test_adapters_train_and_the_rest_stays(encoder, shop_dataset, tmp_path):
    peft = pytest.importorskip("peft", reason="needs peft, pip install 'beekit[peft]'")
    encoder.add_adapter(peft.LoraConfig(r=4, target_modules=["query", "value"]))
    before = {name: p.detach().clone() for name, p in encoder.named_parameters()}
    trainer_for(encoder, shop_dataset, tmp_path, learning_rate=1e-2).train()
    changed = {n for n, p in encoder.named_parameters() if not torch.equal(p, before[n])}
    assert changed
    assert all("lora" in name for name in changed)
