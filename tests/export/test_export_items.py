"""`beekit export --format faiss`: plain FAISS answers as the run does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import faiss
import numpy as np
import pytest
import yaml

from beekit import ItemIndex, embed_items, load_encoder
from beekit.errors import ConfigError, ExportError, RunError
from beekit.export import export, items
from beekit.export.standalone import recommend
from beekit.run.serve import Server, save_index
from beekit.run_folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory, shop_folder, shop_dataset, encoder_folder) -> RunFolder:
    """A run as it stands after training."""
    run = RunFolder(tmp_path_factory.mktemp("served") / "run")
    run.path.mkdir()
    content = {"data": str(shop_folder), "out": str(run.path), "encoder": "any", "text": "{text}"}
    run.config.write_text(yaml.safe_dump(content))
    shutil.copytree(encoder_folder, run.model)
    catalog = shop_dataset.catalog
    vectors = embed_items(load_encoder(run.model, device="cpu"), catalog.texts)
    index = ItemIndex(vectors, catalog.item_ids)
    save_index(run, index, catalog, catalog.item_ids[::2])
    return run


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return export(run.path, "faiss", tmp_path_factory.mktemp("items") / "out").folder


@pytest.fixture
def histories(run, shop_dataset):
    X = shop_dataset.interactions.matrix
    rows = [X.indices[X.indptr[user] : X.indptr[user + 1]] for user in range(60)]
    return [[int(item) for item in shop_dataset.catalog.item_ids[row]] for row in rows]


def lists(run, histories, k, candidates="all"):
    server = Server.open(run.path)
    ranked, scores = server.recommend(server.histories(histories), k, candidates)
    return [
        [
            (int(server.items.item_ids[item]), score)
            for item, score in zip(*row, strict=True)
            if item >= 0
        ]
        for row in zip(ranked.tolist(), scores.tolist(), strict=True)
    ]


def same(found, wanted):
    """Alike but for the order of scores that differ by no more than rounding."""
    for mine, theirs in zip(found, wanted, strict=True):
        assert np.allclose([s for _, s in mine], [s for _, s in theirs], rtol=1e-5)
        cut = theirs[-1][1] * (1 + 1e-5)
        assert {item for item, score in theirs if score > cut} <= {item for item, _ in mine}


def in_a_process(folder, code, given=None):
    """What code prints as JSON in a process that has FAISS and numpy alone."""
    guard = "assert not {'torch', 'beekit', 'scipy', 'pyarrow'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\n{guard}"],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_a_process_with_faiss_alone_recommends_as_the_run_does(run, exported, histories):
    code = (
        "from recommend import Items\nitems = Items()\nhistories = json.load(sys.stdin)\n"
        "print(json.dumps([items.recommend(histories, 7), items.recommend(histories, 7, True)]))"
    )
    everything, cold = in_a_process(exported, code, histories)
    same(everything, lists(run, histories, 7))
    same(cold, lists(run, histories, 7, "cold"))
    seen = [set(history) for history in histories]
    assert not any(
        {item for item, _ in row} & own for row, own in zip(everything, seen, strict=True)
    )


def test_the_readmes_own_code_recommends_as_the_run_does(run, exported):
    (code,) = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.S)
    told = code.replace(
        "print(unseen[:10])", "print(json.dumps([[i, float(s)] for i, s in unseen[:10]]))"
    )
    assert told != code
    found = in_a_process(exported, told)
    history = json.loads((exported / "items.json").read_text())["item_id"][:3]
    same([found], lists(run, [history], 10))


def test_files_hold_the_vectors_as_they_are(run, exported):
    index = faiss.read_index(str(exported / "items.faiss"))
    vectors = ItemIndex.load(run.index).item_vectors
    assert (index.reconstruct_n(0, index.ntotal) == vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    known = json.loads((exported / "items.json").read_text())
    assert known["item_id"] == Server.open(run.path).items.item_ids.tolist()
    assert known["label"] == Server.open(run.path).items.labels
    assert known["cold"] == [place % 2 == 1 for place in range(192)]
    about = json.loads((exported / "export.json").read_text())
    assert about["agreement"]["source"] == "users of shop"
    assert about["agreement"]["same_top_10"] > 0.99
    assert about["agreement"]["score_difference"] <= about["agreement"]["tolerance"] < 1e-4
    assert about["factory"] == "Flat"
    assert not (exported / "approximate.faiss").exists()


@pytest.mark.parametrize("factory", ["IVF8,Flat", "HNSW8", "PQ4x4"])
def test_an_approximate_index_lies_beside_the_flat_one(run, tmp_path, histories, factory):
    done = export(run.path, "faiss", tmp_path / "out", factory=factory)
    recall = json.loads((done.folder / "export.json").read_text())["agreement"]
    assert 0.3 < recall["approximate_recall_at_10"] <= 1
    assert "approximate.faiss finds" in done.summary[0]
    code = (
        "from recommend import Items\nfound = Items(approximate=True).recommend("
        "json.load(sys.stdin), 5)\nprint(json.dumps(found))"
    )
    found = in_a_process(done.folder, code, histories)
    assert all(len(row) <= 5 for row in found)
    assert sum(map(len, found)) > 4 * len(found)
    exact = [dict(row) for row in lists(run, histories, 192)]
    for row, own in zip(found, exact, strict=True):
        assert np.allclose([own[item] for item, _ in row], [score for _, score in row], rtol=1e-5)
    (told,) = re.findall(r"```python\n(.*?)```", (done.folder / "README.md").read_text(), re.S)
    in_a_process(done.folder, told.replace("print(unseen[:10])", "print(len(unseen))"))


def test_an_approximate_run_brings_its_own_index(run, tmp_path):
    own = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, own.path)
    known = Server.open(run.path)
    index = ItemIndex(known.recommender.item_vectors, known.items.item_ids, factory="IVF8,Flat")
    index.save(own.index)
    known.items.save(own.index)
    done = export(own.path, "faiss", factory=None)
    assert done.folder == own.path / "faiss"
    assert json.loads((done.folder / "export.json").read_text())["factory"] == "IVF8,Flat"
    trained = faiss.read_index(str(done.folder / "approximate.faiss"))
    trained = faiss.downcast_index(trained.index)
    assert trained.nlist == 8
    assert trained.nprobe == min(index.effort.nprobe, 8)


def test_items_that_score_otherwise_leave_nothing_behind(run, tmp_path, monkeypatch):
    right = items.recommend.Items.user_vectors
    monkeypatch.setattr(
        items.recommend.Items, "user_vectors", lambda self, given: right(self, given) * 1.01
    )
    with pytest.raises(ExportError, match=r"from the run's.*Nothing was exported"):
        export(run.path, "faiss", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_factory_that_is_none_leaves_nothing_behind(run, tmp_path):
    with pytest.raises(ConfigError, match="index factory 'nonsense'"):
        export(run.path, "faiss", tmp_path / "out", factory="nonsense")
    assert not list(tmp_path.iterdir())


def test_without_the_dataset_histories_are_made_up(run, tmp_path):
    own = tmp_path / "run"
    shutil.copytree(run.path, own)
    config = yaml.safe_load((own / "config.yaml").read_text())
    (own / "config.yaml").write_text(yaml.safe_dump({**config, "data": str(tmp_path / "gone")}))
    assert export(own, "faiss").summary[0].startswith("300 made up")


def test_of_several_datasets_one_is_to_be_named(run, tmp_path):
    part = tmp_path / "run" / "datasets" / "shop"
    shutil.copytree(run.path, part)
    shutil.copy(run.config, tmp_path / "run" / "config.yaml")
    with pytest.raises(RunError, match="several datasets"):
        export(tmp_path / "run", "faiss")
    assert export(part, "faiss").folder == part / "faiss"


def broken_run(run, tmp_path, text_part) -> RunFolder:
    """A copy of the run whose index says what of its vectors comes from the text."""
    copy = RunFolder(tmp_path / "run")
    shutil.copytree(run.path, copy.path)
    path = copy.index / "text_part.npy"
    if isinstance(text_part, bytes):
        path.write_bytes(text_part)
    else:
        np.save(path, text_part)
    return copy


def test_parts_of_scores_that_are_not_finite_are_named_when_a_run_is_opened(run, tmp_path):
    vectors = ItemIndex.load(run.index).item_vectors
    assert Server.open(broken_run(run, tmp_path / "good", vectors).path).text_part is not None
    ids = ItemIndex.load(run.index).item_ids
    part = vectors.copy()
    part[5] = np.nan
    for name, bad, said in (
        ("nan", part, rf"text_part\.npy that are not finite: 1 of \d+ \(NaN; item {ids[5]}\)"),
        ("narrow", vectors[:, 1:], r"text_part\.npy of shape"),
        ("short", vectors[1:], r"text_part\.npy of shape"),
        ("cut", b"\x93NUMPY", r"text_part\.npy cannot be read"),
    ):
        with pytest.raises(RunError, match=said):
            Server.open(broken_run(run, tmp_path / name, bad).path)


def test_exported_vectors_that_are_not_finite_are_refused_where_they_are_served(exported, tmp_path):
    folder = tmp_path / "served"
    shutil.copytree(exported, folder)
    flat = faiss.read_index(str(folder / "items.faiss"))
    vectors = flat.reconstruct_n(0, flat.ntotal)
    vectors[4, 0] = np.inf
    broken = faiss.IndexFlatIP(vectors.shape[1])
    broken.add(vectors)
    faiss.write_index(broken, str(folder / "items.faiss"))
    item = json.loads((folder / "items.json").read_text())["item_id"][4]
    with pytest.raises(ValueError, match=rf"item {item} in .*items\.faiss is NaN or infinite"):
        recommend.Items(folder)
    short = faiss.IndexFlatIP(vectors.shape[1])
    short.add(vectors[:4])
    faiss.write_index(short, str(folder / "items.faiss"))
    with pytest.raises(ValueError, match="4 vectors in"):
        recommend.Items(folder)
