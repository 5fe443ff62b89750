"""Runs on pictures, and on text with pictures: policies, reports, and what scores owe to."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.cli import main
from beekit.data.images import TOO_LARGE
from beekit.quickstart import build_image_encoder
from beekit.run.serve import Server
from beekit.run_folder import RunFolder


@pytest.fixture(scope="module")
def image_encoder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image_encoder") / "encoder"
    build_image_encoder(dims=32, layers=1).save(str(folder))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def configured(tmp_path, shop_folder, image_encoder_folder, cache):
    """A function that runs `beekit train` on pictures, with changes, and gives the run folder."""

    def run(code: int = 0, **changes) -> RunFolder:
        content = {
            "data": str(shop_folder),
            "out": str(tmp_path / "run"),
            "encoder": str(image_encoder_folder),
            "image": "image",
            "cache": str(cache),
            "split": {"fraction": 0.2, "seed": 3},
            "training": {
                "users_per_step": 150,
                "items_per_step": 150,
                "max_steps": 2,
                "disable_tqdm": True,
                "eval_strategy": "no",
                "save_strategy": "no",
            },
            "evaluation": {"metrics": ["calibrated_recall@20"]},
            **changes,
        }
        path = tmp_path / "c.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
        assert main(["train", str(path)]) == code
        return RunFolder(tmp_path / "run")

    return run


@pytest.fixture
def flawed_shop(shop_folder, tmp_path):
    """A function for a copy of the shop with other pictures (and texts) for some items."""

    def make(pictures: dict[int, bytes | None], texts: dict[int, str | None] | None = None):
        folder = tmp_path / "flawed"
        shutil.copytree(shop_folder, folder)
        table = pq.read_table(folder / "items.parquet")
        rows = table.to_pylist()
        for row in rows:
            if row["item_id"] in pictures:
                data = pictures[row["item_id"]]
                row["image"] = None if data is None else {"bytes": data, "path": None}
            if texts and row["item_id"] in texts:
                row["text"] = texts[row["item_id"]]
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / "items.parquet")
        return str(folder)

    return make


def test_a_run_on_pictures_has_all_a_run_has_and_shows_them(configured, capsys):
    run = configured()
    results = run.read_results()
    assert [row["model"] for row in results["rows"]] == [
        *("random", "popularity", "pretrained", "fine-tuned")
    ]
    assert results["training"]["image"] == "image"
    assert "text" not in results["training"]
    page = run.report.read_text()
    shown = {item["item_id"] for item in results["neighbours"]}
    near = {n["item_id"] for item in results["neighbours"] for n in item["before"] + item["after"]}
    assert set(json.loads(run.thumbnails.read_text())) == shown | near
    assert page.count("<img") == sum(1 + 5 + 5 for _ in results["neighbours"])
    assert "http" not in page.split("<main>")[1].replace("http://www.w3.org", "")
    card = run.card.read_text()
    assert "Image.open" in card
    assert "pictures of column `image`" in card
    capsys.readouterr()
    assert main(["recommend", str(run.path), "--history", "1,2", "--k", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert main(["index", str(run.path)]) == 0


def test_pictures_that_cannot_be_used_end_the_run_or_are_left_out(
    configured, flawed_shop, capsys, caplog
):
    broken = flawed_shop({3: None, 4: b"", 5: b"\x89PNG nothing"})
    configured(2, data=broken)
    error = capsys.readouterr().err
    assert "3 of 192 items without a usable picture" in error
    assert "1 missing" in error
    assert "missing_image=drop" in error
    results = configured(data=broken, missing_image="drop").read_results()
    assert results["dataset"]["catalog_items"] == 189
    assert "are left out" in caplog.text


def test_large_pictures_are_refused_before_they_are_decoded(
    configured, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("beekit.data.images.open_image.__defaults__", (48 * 48 - 1,))
    configured(2, cache=str(tmp_path / "cache"))
    assert f"192 {TOO_LARGE}" in capsys.readouterr().err


def test_text_and_picture_together_say_what_a_score_owes_to_each(
    configured, encoder_folder, image_encoder_folder, flawed_shop, capsys
):
    data = flawed_shop({7: None, 8: None}, {9: None})
    run = configured(
        data=data,
        encoder=str(encoder_folder),
        image_encoder=str(image_encoder_folder),
        text="{text}",
        fusion="gated",
        missing_image="keep",
        missing_text="keep",
    )
    results = run.read_results()
    assert results["dataset"]["catalog_items"] == 192
    assert results["training"]["fusion"] == "gated"
    for item in results["neighbours"]:
        for near in item["after"]:
            assert near["text"] + near["image"] == pytest.approx(near["score"], abs=2e-4)
    assert "picture" in run.report.read_text()
    capsys.readouterr()
    for command in ([], ["index", str(run.path)]):
        assert not command or main(command) == 0
        capsys.readouterr()
        assert main(["recommend", str(run.path), "--history", "1,2", "--k", "192", "--json"]) == 0
        items = {entry["item_id"]: entry for entry in json.loads(capsys.readouterr().out)}
        assert items[7]["image"] == pytest.approx(0, abs=1e-5)
        assert items[9]["text"] == pytest.approx(0, abs=1e-5)
        for entry in items.values():
            assert entry["text"] + entry["image"] == pytest.approx(entry["score"], abs=1e-5)
    assert main(["recommend", str(run.path), "--history", "1,2"]) == 0
    assert "picture" in capsys.readouterr().out


def test_an_item_with_neither_side_is_named(
    configured, encoder_folder, image_encoder_folder, flawed_shop, capsys
):
    both = {
        "encoder": str(encoder_folder),
        "image_encoder": str(image_encoder_folder),
        "text": "{text}",
        "missing_image": "keep",
        "missing_text": "keep",
    }
    configured(2, data=flawed_shop({9: None}, {9: None}), **both)
    assert "without a text either" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "{text}"}, "Add image_encoder"),
        ({"image": None, "text": "{text}"}, "an encoder of text"),
        ({"fusion": "mean"}, "items with both text and image"),
        ({"image": "photo"}, "no column 'photo'"),
        ({"image": "series"}, "paths below images/"),
        ({"pooling": "projection"}, "one of cls, mean, max"),
        ({"missing_text": "keep"}, "without both a text and a picture"),
        ({"missing_image": "keep"}, "without both a text and a picture"),
        ({"missing_image": "skip"}, "one of error, drop, keep"),
    ],
)
def test_what_does_not_fit_together_is_refused(configured, capsys, changes, message):
    configured(2, **changes)
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().splitlines()[-1].startswith("beekit: ")


def test_a_comparison_takes_encoders_of_text_of_pictures_and_of_both(
    configured, encoder_folder, image_encoder_folder, flawed_shop, cache, tmp_path, capsys
):
    data = flawed_shop({7: None})
    shared = {"data": data, "text": "{text}", "missing_image": "drop", "image": "image"}
    run = configured(**shared, encoder=str(encoder_folder), image_encoder=str(image_encoder_folder))
    comparison = {
        **shared,
        "out": str(tmp_path / "table"),
        "cache": str(cache),
        "split": {"fraction": 0.2, "seed": 3},
        "evaluation": {"metrics": ["calibrated_recall@20"]},
        "models": {
            "text": {"model": "ContentBased", "encoder": str(encoder_folder)},
            "image": {"model": "ContentBased", "encoder": str(image_encoder_folder)},
            "both": {"model": "ContentBased", "run": str(run.path)},
        },
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(comparison))
    assert main(["evaluate", str(tmp_path / "t.yaml")]) == 0
    table = RunFolder(tmp_path / "table").read_results()
    assert table["dataset"]["catalog_items"] == 191
    values = {r["model"]: r["metrics"]["calibrated_recall@20"]["value"] for r in table["rows"]}
    trained = run.read_results()["rows"][-1]["metrics"]["calibrated_recall@20"]["value"]
    assert values["both"] == pytest.approx(trained, abs=1e-9)
    assert len(values) == 3
    # Kept for its text, an item cannot be known by an encoder of pictures alone.
    (tmp_path / "table").rename(tmp_path / "first")
    command = ["evaluate", str(tmp_path / "t.yaml"), "missing_image=keep"]
    assert (
        main(
            [
                *command,
                'models={"image": {"model": "ContentBased", '
                f'"encoder": "{image_encoder_folder}"}}}}',
            ]
        )
        == 2
    )
    assert "1 items kept without a picture" in capsys.readouterr().err
    assert np.isfinite(list(values.values())).all()


@pytest.mark.parametrize("part", [{"lora": 2}, {"last_layers": 1}])
@pytest.mark.parametrize("kind", ["vit", "open_clip", "both"])
def test_parts_of_image_encoders_train_and_load_plainly(
    configured, encoder_folder, image_encoder_folder, clip, shop, tmp_path, part, kind
):
    if "lora" in part:
        pytest.importorskip("peft", reason="needs peft, pip install 'beekit[peft]'")
    clip.save(str(tmp_path / "clip"))
    changes = {
        "vit": {},
        "open_clip": {"encoder": str(tmp_path / "clip")},
        "both": {
            "encoder": str(encoder_folder),
            "image_encoder": str(image_encoder_folder),
            "text": "{text}",
        },
    }[kind]
    training = {
        "users_per_step": 150,
        "items_per_step": 150,
        "max_steps": 2,
        "learning_rate": 1e-2,
        "disable_tqdm": True,
        **part,
    }
    run = configured(training=training, **changes)
    described = run.read_results()["training"]
    assert 0 < described["trained_parameters"] < described["parameters"]
    loaded = SentenceTransformer(str(run.model), device="cpu")
    assert not [name for name, _ in loaded.named_parameters() if "lora" in name]
    pictures = [Image.open(io.BytesIO(file)) for file in shop.pictures[:5]]
    texts = shop.texts if kind == "both" else [None] * 5
    inputs = [
        {"text": text, "image": picture} if kind == "both" else picture
        for text, picture in zip(texts, pictures, strict=False)
    ]
    index = Server.open(run.path).recommender
    embedded = loaded.encode(inputs, normalize_embeddings=True)
    np.testing.assert_allclose(embedded, index.item_vectors[:5], atol=1e-5)
    before = SentenceTransformer(changes.get("encoder", str(image_encoder_folder)), device="cpu")
    if kind != "both":
        moved = loaded.encode(inputs) - before.encode(inputs)
        assert np.abs(moved).max() > 1e-4


def test_an_encoder_that_reads_nothing_of_the_items_is_refused_in_a_comparison(
    shop_folder, encoder_folder, image_encoder_folder, tmp_path, capsys
):
    for read, encoder in (
        ("image: image", encoder_folder),
        ("text: '{text}'", image_encoder_folder),
    ):
        (tmp_path / "t.yaml").write_text(
            f"data: {shop_folder}\nout: {tmp_path / 'table'}\n{read}\nencoder: {encoder}\n"
            f"cache: {tmp_path / 'cache'}\nmodels: [ContentBased]\n"
        )
        assert main(["evaluate", str(tmp_path / "t.yaml")]) == 2
        assert "expected an encoder of" in capsys.readouterr().err
