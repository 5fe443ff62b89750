"""Digests of an encoder: of what it is read from, and of nothing that lies beside it."""

from __future__ import annotations

import json

import pytest

from beekit.run.encoder_files import digests_of


@pytest.fixture
def encoder(tmp_path):
    folder = tmp_path / "encoder"
    for name in ("config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def test_what_lies_beside_an_encoder_is_none_of_it(encoder, tmp_path):
    names = {"config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"}
    run = encoder / "run"
    (run / "model").mkdir(parents=True)
    for path in (encoder / "note.txt", encoder / "README.md", run / "model" / "config.json"):
        path.write_text("{}")
    assert set(digests_of(str(encoder), run)) == names
    assert "run/model/config.json" in digests_of(str(encoder), tmp_path / "elsewhere")
    # An encoder may lie in the folder of its run, as that of a quickstart.
    assert names < set(digests_of(str(encoder), tmp_path))


def test_adapters_are_made_of_what_they_adapt_too(encoder, tmp_path):
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    named = {"base_model_name_or_path": str(encoder)}
    (adapters / "adapter_config.json").write_text(json.dumps(named))
    (adapters / "adapter_model.safetensors").touch()
    before = digests_of(str(adapters), tmp_path / "run")
    (encoder / "model.safetensors").write_text("other")
    after = digests_of(str(adapters), tmp_path / "run")
    assert [name for name in after if before[name] != after[name]] == [
        f"{encoder}/model.safetensors"
    ]
