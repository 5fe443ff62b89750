"""What comes back from the Hub: the same model, and an evaluation that can be repeated."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from local_hub import Fault
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.cli import main
from beekit.errors import HubError, RunError, SplitError
from beekit.hub.manifest import MANIFEST
from beekit.hub.pull import _settle, pull
from beekit.hub.push import push
from beekit.quickstart import build_encoder, make_shop
from beekit.run.resume import saved_config
from beekit.run.verify import verify
from beekit.run_folder import RunFolder
from beekit.split import load_split

REPO = "bee/shop"
TEXTS = ["basic laser printer LP104", "toner", ""]

# Text and picture models load without beekit; one of both is made of beekit's parts.
STRANGER = """
import sys
import numpy as np
from PIL import Image
from sentence_transformers import SentenceTransformer

texts = ["basic laser printer LP104", "toner", ""]
pictures = [Image.fromarray(np.full((20, 20, 3), c, dtype=np.uint8)) for c in (10, 200)]
model = SentenceTransformer("bee/text", device="cpu")
np.save(sys.argv[1] + "/text.npy", model.encode(texts))
model = SentenceTransformer("bee/image", device="cpu")
np.save(sys.argv[1] + "/image.npy", model.encode(pictures))
assert "beekit" not in sys.modules
import beekit
model = SentenceTransformer("bee/fused", device="cpu")
pairs = [{"text": texts[0], "image": pictures[0]}, {"text": texts[1], "image": None}]
np.save(sys.argv[1] + "/fused.npy", model.encode(pairs))
"""


@pytest.fixture
def environment(hub, tmp_path):
    """Of a stranger's process: the Hub's address and a cache of its own, no token."""
    without = {k: v for k, v in os.environ.items() if k != "HF_TOKEN"}
    return {
        **without,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }


def test_a_stranger_gets_the_same_embeddings(
    hub, environment, text_run, image_run, fused_run, tmp_path
):
    runs = {"text": text_run, "image": image_run, "fused": fused_run}
    for name, run in runs.items():
        push(run, f"bee/{name}")
    subprocess.run([sys.executable, "-c", STRANGER, str(tmp_path)], env=environment, check=True)
    pictures = [Image.fromarray(np.full((20, 20, 3), c, dtype=np.uint8)) for c in (10, 200)]
    inputs = {
        "text": TEXTS,
        "image": pictures,
        "fused": [{"text": TEXTS[0], "image": pictures[0]}, {"text": TEXTS[1], "image": None}],
    }
    for name, run in runs.items():
        here = SentenceTransformer(str(run / "model"), device="cpu").encode(inputs[name])
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), here)


@pytest.mark.parametrize("kind", ["text_run", "image_run", "fused_run"])
def test_an_evaluation_is_repeated_from_the_hub(hub, request, kind, shop_folder, tmp_path, capsys):
    run = request.getfixturevalue(kind)
    push(run, REPO)
    out, data = str(tmp_path / "pulled"), str(shop_folder)
    assert main(["pull", REPO, "--out", out, "--data", data]) == 0
    assert main(["verify", out]) == 0
    assert "calibrated_recall@20" in capsys.readouterr().out
    stated = RunFolder(run).read_results()["rows"][-1]["metrics"]
    assert {one.metric: one.found for one in verify(out)} == {
        name: metric["value"] for name, metric in stated.items()
    }


def test_a_run_on_several_datasets_is_repeated_on_each(
    hub, shops_run, shop_folder, tmp_path, capsys
):
    config = yaml.safe_load((shops_run / "config.yaml").read_text())
    folder = tmp_path / "shops"
    folder.mkdir()
    for place in config["data"]:
        (folder / place.rpartition("/")[2]).symlink_to(place)
    push(shops_run, REPO)
    pull(REPO, tmp_path / "pulled", data=folder)
    assert {one.dataset for one in verify(tmp_path / "pulled")} == {"shop", "other"}
    part = str(tmp_path / "pulled" / "datasets" / "other")
    assert main(["index", part]) == 0
    assert main(["recommend", part, "--history", "1,2", "--k", "3"]) == 0


def test_a_pulled_run_is_indexed_served_and_reported(hub, text_run, shop_folder, tmp_path, capsys):
    push(text_run, REPO)
    out = str(tmp_path / "pulled")
    pull(REPO, out, data=shop_folder)
    assert main(["index", out]) == 0
    assert main(["report", out]) == 0
    capsys.readouterr()
    assert main(["recommend", out, "--history", "1,2", "--candidates", "cold"]) == 0
    here = capsys.readouterr().out
    assert main(["recommend", str(text_run), "--history", "1,2", "--candidates", "cold"]) == 0
    assert capsys.readouterr().out == here


def test_another_dataset_is_told_from_the_one_evaluated_on(hub, text_run, tmp_path):
    make_shop(series=8, customers=301, seed=1).save(tmp_path / "shop")
    push(text_run, REPO)
    pull(REPO, tmp_path / "pulled", data=tmp_path / "shop")
    with pytest.raises(RunError, match="the dataset made from"):
        verify(tmp_path / "pulled")


def test_another_model_is_told_from_the_one_evaluated(text_run, shop_folder, tmp_path):
    run = shutil.copytree(text_run, tmp_path / "run")
    shutil.rmtree(run / "model")
    build_encoder(["nothing of a shop"], dims=8, layers=1, seed=5).save(str(run / "model"))
    with pytest.raises(RunError, match="do not belong together"):
        verify(run)


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("GET /api/models/bee/shop$", 500),
        ("/tree/", "torn"),
        ("HEAD /bee/shop/resolve", 500),
        ("HEAD /bee/shop/resolve", "cut"),
        ("GET /bee/shop/resolve", "torn"),
        ("GET /cdn", 500),
        ("GET /cdn", "torn"),
        ("GET /cdn", "cut"),
    ],
)
def test_a_passing_fault_is_got_over(hub, text_run, tmp_path, where, kind):
    push(text_run, REPO)
    hub.faults = [Fault(where, kind)]
    pull(REPO, tmp_path / "pulled")
    assert hub.faults[0].times == 0, "the fault did not happen"
    model = text_run / "model"
    for path in model.rglob("*.safetensors"):
        pulled = tmp_path / "pulled" / "model" / path.relative_to(model)
        assert pulled.read_bytes() == path.read_bytes()


def test_a_lasting_fault_leaves_no_half_of_a_run(hub, text_run, tmp_path, capsys):
    push(text_run, REPO)
    hub.faults = [Fault("GET /cdn", "torn", times=10_000)]
    out = tmp_path / "pulled"
    assert main(["pull", REPO, "--out", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("beekit: no complete answer")
    assert not out.exists()
    hub.faults = []
    assert main(["pull", REPO, "--out", str(out)]) == 0


def test_files_changed_on_the_hub_are_not_taken_for_the_run(hub, text_run, tmp_path):
    push(text_run, REPO)
    before = hub.repos[REPO].branches["main"]
    hub.commit(REPO, {"results.json": hub.files(REPO)["results.json"].replace(b"0.", b"1.")})
    with pytest.raises(
        HubError, match=r"1 of \d+ files of bee/shop differ from those that were pushed"
    ):
        pull(REPO, tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    pull(REPO, tmp_path / "pulled", revision=before)


def test_a_manifest_cannot_write_outside_the_folder(hub, text_run, tmp_path):
    push(text_run, REPO)
    listed = json.loads(hub.files(REPO)[MANIFEST])
    listed["files"]["../outside"] = ""
    hub.commit(REPO, {MANIFEST: json.dumps(listed).encode()})
    with pytest.raises(HubError, match="is damaged, or not written by beekit"):
        pull(REPO, tmp_path / "pulled")


def test_code_in_a_repository_is_not_run(hub, text_run, shop_folder, tmp_path):
    push(text_run, REPO)
    files = hub.files(REPO)
    config = files["config.yaml"] + b"trust_remote_code: true\n"
    listed = json.loads(files[MANIFEST])
    listed["files"]["config.yaml"] = hashlib.sha256(config).hexdigest()
    hub.commit(REPO, {MANIFEST: json.dumps(listed).encode(), "config.yaml": config})
    pull(REPO, tmp_path / "pulled", data=shop_folder)
    assert not saved_config(RunFolder(tmp_path / "pulled")).trust_remote_code


@pytest.mark.parametrize("config", [b"- 1\n", b"data: [1]\n", b"encoder: x\n"])
def test_a_configuration_that_is_none_is_told_in_one_line(hub, text_run, tmp_path, config):
    push(text_run, REPO)
    listed = json.loads(hub.files(REPO)[MANIFEST])
    listed["files"]["config.yaml"] = hashlib.sha256(config).hexdigest()
    hub.commit(REPO, {MANIFEST: json.dumps(listed).encode(), "config.yaml": config})
    with pytest.raises(HubError, match="no configuration of a run"):
        pull(REPO, tmp_path / "pulled", data=tmp_path)
    assert not (tmp_path / "pulled").exists()


def test_a_card_edited_on_the_hub_is_no_reason_to_refuse_a_run(hub, text_run, tmp_path, caplog):
    push(text_run, REPO)
    hub.commit(REPO, {"README.md": hub.files(REPO)["README.md"] + b"\nThanks to all.\n"})
    pull(REPO, tmp_path / "pulled")
    assert "was edited since it was pushed" in caplog.text


def test_the_split_of_a_pulled_run_says_that_interactions_stayed_behind(
    hub, text_run, shop_dataset, tmp_path
):
    push(text_run, REPO)
    pull(REPO, tmp_path / "pulled")
    with pytest.raises(SplitError, match="which a pushed run does not contain"):
        load_split(tmp_path / "pulled" / "split", shop_dataset.interactions)


@pytest.mark.parametrize(
    ("repo", "revision", "word"),
    [
        ("bee/nothing", None, "no repository bee/nothing"),
        (REPO, "v9", "no such revision"),
        ("bee/other", None, f"no {MANIFEST} in bee/other"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(
    hub, text_run, tmp_path, repo, revision, word, capsys
):
    push(text_run, REPO)
    hub.create("bee/other")
    asked = ["--revision", revision] if revision else []
    assert main(["pull", repo, "--out", str(tmp_path / "pulled"), *asked]) == 2
    assert word in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_is_there_is_left_alone(hub, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="exists already"):
        pull(REPO, tmp_path / "mine")


def test_a_private_model_is_seen_by_its_owner_alone(hub, text_run, tmp_path, monkeypatch):
    push(text_run, REPO, private=True)
    pull(REPO, tmp_path / "pulled")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(HubError, match="may not read"):
        pull(REPO, tmp_path / "again")


@pytest.mark.parametrize(
    "named",
    [
        {"split": {"kind": "their.module:Split"}},
        {"data": [{"data": "shop", "split": {"kind": "their.module:Split"}}, "other"]},
        {"models": {"mine": {"model": "their.module:Model"}, "EASE": None}},
        {"evaluation": {"metrics": ["recall@5", "their.module:metric@5"]}},
    ],
)
def test_a_run_that_names_code_from_outside_asks_for_trust(tmp_path, named):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"data": "shop", **named}))
    before = path.read_text()
    with pytest.raises(HubError, match=r"names code from outside beekit \(their\.module:"):
        _settle(tmp_path, tmp_path / "out", None, REPO, trust_foreign_code=False)
    assert path.read_text() == before
    _settle(tmp_path, tmp_path / "out", None, REPO, trust_foreign_code=True)
    assert "their.module:" in path.read_text()
