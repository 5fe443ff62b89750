"""Weights are float32 while they are used, and saved in what they came in or as asked."""

from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer

from beekit import load_encoder
from beekit.encoders.precision import as_saved, came_in


@pytest.fixture(params=["float16", "bfloat16"])
def half(request, encoder, tmp_path):
    """A folder in half precision, and the precision's name."""
    encoder.to(getattr(torch, request.param)).save(str(tmp_path / "half"), create_model_card=False)
    return tmp_path / "half", request.param


def test_half_precision_is_used_in_float32_and_saved_as_it_came(half, tmp_path):
    folder, name = half
    encoder = load_encoder(folder, device="cpu")
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert came_in(encoder) == name
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1e-4)
    with as_saved(encoder) as saved:
        encoder.save(str(tmp_path / "saved"), create_model_card=False)
    assert saved == name
    again = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    assert again.dtype == getattr(torch, name)
    for mine, theirs in zip(encoder.parameters(), again.parameters(), strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs.float())


def test_the_precision_asked_for_is_saved(encoder, half, tmp_path):
    with as_saved(load_encoder(half[0], device="cpu"), "float32") as saved:
        assert saved == "float32"
    encoder = load_encoder(half[0], device="cpu")
    with as_saved(encoder, "bfloat16"):
        assert encoder.dtype == torch.bfloat16


def test_weights_too_large_for_half_precision_stay(encoder, caplog):
    with torch.no_grad():
        next(encoder.parameters())[0, 0] = 1e6
    with as_saved(encoder, "float16") as saved:
        assert saved == "float32"
    assert "too large for float16" in caplog.text
