"""`beekit export --format onnx|openvino`: the exported encoder answers as the one in torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sentence_transformers import SentenceTransformer
from torch import nn

from beekit import fuse, load_encoder
from beekit.encoders.open_clip import OpenCLIP
from beekit.errors import ConfigError, ExportError, RunError
from beekit.export import export
from beekit.export.encoder_graphs import encoder_graphs
from beekit.export.graph import Graph
from beekit.export.libraries import NEEDED
from beekit.export.standalone import embed
from beekit.quickstart import build_encoder, build_image_encoder

sys.path.append(str(Path(__file__).parent.parent / "encoders"))
from families import save_dual

# Once OpenVINO has run, a torch that forks loader workers may end in a segmentation fault; its
# tests therefore run in a process of their own, which one test starts.
APART = "BEEKIT_TESTS_OF_OPENVINO"


def _missing(name: str) -> pytest.MarkDecorator:
    missing = any(importlib.util.find_spec(library) is None for library in NEEDED[name])
    return pytest.mark.skipif(missing, reason=f"needs pip install 'beekit[{name}]'")


RUNTIMES = [
    pytest.param("onnx", marks=_missing("onnx")),
    pytest.param(
        "openvino",
        marks=[
            _missing("openvino"),
            pytest.mark.skipif(APART not in os.environ, reason="runs in a process of its own"),
        ],
    ),
]
needs_onnx = RUNTIMES[0].marks[0]
KINDS = ("text", "image", "dual", "fused")
TEXTS = [
    *("toner", "Red printer, with TWO trays!", "x" * 400, "red toner " * 80, "a b c d e f g"),
    *("paper", "unheard-of words — and “signs” & more", "office chair", "blue", "one more text"),
]


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(5)
    sizes = generator.integers(20, 90, (count, 2))
    return [
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes
    ]


def clip() -> SentenceTransformer:
    tower = {"width": 16, "layers": 1}
    vision = {**tower, "image_size": 16, "head_width": 8, "patch_size": 4}
    text = {**tower, "context_length": 16, "heads": 2}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    return SentenceTransformer(modules=[OpenCLIP.from_config(config)], device="cpu")


def build(kind: str, texts: list[str]) -> SentenceTransformer:
    if kind == "dual":
        return clip()
    sides = {
        "text": lambda: build_encoder(texts, dims=32, layers=1),
        "image": lambda: build_image_encoder(dims=32, layers=1),
    }
    if kind == "fused":
        fused = fuse(sides["text"](), sides["image"](), "gated")
        with torch.no_grad():  # a gate that has learnt something
            fused[0].gate.weight.copy_(torch.linspace(-1, 1, 32 * 64).reshape(32, 64))
        return fused
    return sides[kind]()


@pytest.fixture(scope="module", autouse=True)
def traced_once(tmp_path_factory):
    """Tracing takes seconds, and gives one ONNX file for both runtimes: the same graph is traced
    once in all these tests."""
    folder = tmp_path_factory.mktemp("traced")
    write = Graph._write_onnx

    def write_once(self, path):
        made_of = hashlib.sha256(f"{self.module} {list(self.inputs)}".encode())
        for weights in self.module.state_dict().values():
            made_of.update(weights.numpy().tobytes())
        kept = folder / f"{made_of.hexdigest()}.onnx"
        if not kept.is_file():
            write(self, kept)
        shutil.copy(kept, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Graph, "_write_onnx", write_once)
        yield


@pytest.fixture(scope="module")
def run_of(tmp_path_factory, shop, shop_folder):
    """A function for a run as it stands after training, made once for each kind of encoder."""
    made = {}

    def of(kind: str):
        if kind not in made:
            run = tmp_path_factory.mktemp(kind) / "run"
            run.mkdir()
            content = {"data": str(shop_folder), "out": str(run), "encoder": "any"}
            reads = {"text": "{text}", "image": "image"}
            if kind in reads:
                reads = {kind: reads[kind]}
            (run / "config.yaml").write_text(yaml.safe_dump({**content, **reads}))
            build(kind, shop.texts).save(str(run / "model"))
            made[kind] = run
        return made[kind]

    return of


@pytest.fixture(scope="module")
def exported_of(run_of, tmp_path_factory):
    """A function for the folder of an export, and the encoder in torch."""
    made = {}

    def of(kind: str, runtime: str):
        if (kind, runtime) not in made:
            run = run_of(kind)
            out = tmp_path_factory.mktemp("exports") / "out"
            made[kind, runtime] = export(run, runtime, out).folder
        return made[kind, runtime], load_encoder(run_of(kind) / "model", device="cpu").eval()

    return of


def in_torch(encoder: SentenceTransformer, inputs: list) -> np.ndarray:
    """Embeddings one by one, so that nothing depends on a batch."""
    rows = []
    for one in inputs:
        with torch.inference_mode():
            made = encoder(encoder.preprocess([one]))["sentence_embedding"]
        rows.append(nn.functional.normalize(made, dim=-1))
    return torch.cat(rows).numpy()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_are_torchs_for_any_batch_and_length(exported_of, kind, runtime):
    folder, encoder = exported_of(kind, runtime)
    exported = embed.Encoder(folder, threads=1)
    about = exported.about["agreement"]
    assert {one["source"] for one in about.values()} == {"items of shop"}
    close = 2 * max(one["tolerance"] for one in about.values())
    shown = pictures(len(TEXTS))
    for batch_size in (1, 2, 4, 50):
        if kind in ("text", "dual"):
            found = exported.texts(TEXTS, batch_size)
            assert np.abs(found - in_torch(encoder, TEXTS)).max() < close
        if kind in ("image", "dual"):
            pixels = encoder.preprocess(shown)["pixel_values"].numpy()
            found = exported.pixels(pixels, batch_size)
            assert np.abs(found - in_torch(encoder, shown)).max() < close
        if kind == "fused":
            texts = ["" if place % 3 == 1 else text for place, text in enumerate(TEXTS)]
            has = [place for place in range(len(TEXTS)) if place % 3 != 2]
            pixels = encoder[0].image.preprocess([shown[place] for place in has])
            image = exported.pixels(pixels["pixel_values"].numpy(), batch_size)
            found = exported.fused(texts, has, image, batch_size)
            items = [
                {"text": text, "image": shown[place] if place in has else None}
                for place, text in enumerate(texts)
            ]
            assert np.abs(found - in_torch(encoder, items)).max() < close
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert len(np.unique(found.round(4), axis=0)) > len(found) // 2  # not one vector for all


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_process_without_torch_gives_the_same(exported_of, runtime):
    folder, encoder = exported_of("text", runtime)
    code = (
        "import json, sys; from embed import Encoder; made = Encoder(threads=1).texts(json.load("
        "sys.stdin)); assert not {'torch', 'beekit', 'transformers'} & set(sys.modules); "
        "print(json.dumps(made.tolist()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.abs(np.array(json.loads(done.stdout)) - in_torch(encoder, TEXTS)).max() < 1e-5


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_pictures_as_pillow_preprocesses_them_are_near(exported_of, runtime):
    folder, encoder = exported_of("image", runtime)
    shown = pictures(6)
    found = embed.Encoder(folder, threads=1).pictures(shown, 4)
    assert (found * in_torch(encoder, shown)).sum(axis=1).min() > 0.999


@_missing("openvino")
@pytest.mark.skipif(APART in os.environ, reason="is that process")
def test_openvino_in_a_process_of_its_own():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", "[openvino] or -openvino]"],
        env={**os.environ, APART: "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@needs_onnx
@pytest.mark.parametrize("kind", ["text", "image"])
def test_a_graph_names_no_path_of_this_machine(exported_of, kind):
    folder, _ = exported_of(kind, "onnx")
    for path in (folder / "onnx").iterdir():
        assert str(Path(torch.__file__).parent).encode() not in path.read_bytes()
        assert b".py" not in path.read_bytes()


@needs_onnx
def test_the_folder_is_one_that_sentence_transformers_backends_read(exported_of):
    import onnxruntime

    folder, encoder = exported_of("text", "onnx")
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"))
    assert [given.name for given in session.get_inputs()] == ["input_ids", "attention_mask"]
    assert [made.name for made in session.get_outputs()] == [
        "last_hidden_state",
        "sentence_embedding",
    ]
    features = encoder.preprocess(TEXTS[:3])
    feeds = {name: features[name].numpy() for name in ("input_ids", "attention_mask")}
    (states,) = session.run(["last_hidden_state"], feeds)
    with torch.inference_mode():
        wanted = encoder[0](features)["token_embeddings"].numpy()
    assert np.abs(states - wanted).max() < 1e-5
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling"]
    assert (folder / "config.json").is_file()
    assert not list(folder.glob("*.safetensors"))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] != "TokenizersBackend"


@needs_onnx
def test_what_is_written_beside_the_graph_is_what_a_server_needs(exported_of):
    folder, _ = exported_of("text", "onnx")
    about = json.loads((folder / "export.json").read_text())
    assert about["graphs"]["text"]["inputs"]["input_ids"] == {
        "dtype": "int64",
        "shape": ["items", "tokens"],
    }
    assert about["graphs"]["text"]["dims"] == 32
    assert about["text"] == {"max_tokens": 64, "length": None, "clean": None}
    agreement = about["agreement"]["text"]
    assert agreement["source"] == "items of shop"
    assert agreement["items"] == 192
    assert agreement["users"] > 100
    assert agreement["same_top_10"] > 0.99
    assert 0 < agreement["largest_distance"] <= agreement["tolerance"] < 1e-3
    page = (folder / "README.md").read_text()
    assert 'backend="onnx"' in page
    assert "onnx/model.onnx" in page


@needs_onnx
def test_what_an_item_owes_to_its_text_and_its_picture_adds_up(exported_of):
    import onnxruntime

    folder, encoder = exported_of("fused", "onnx")
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "fusion.onnx"))
    items = [
        {"text": text, "image": picture} for text, picture in zip(TEXTS, pictures(10), strict=True)
    ]
    with torch.inference_mode():
        made = encoder(encoder.preprocess(items))
    sides = {
        f"{name}_embedding": in_torch(side, [item[name] for item in items])
        for name, side in (("text", encoder[0].text), ("image", encoder[0].image))
    }
    whole, part = session.run(["sentence_embedding", "text_part"], sides)
    length = made["sentence_embedding"].norm(dim=-1, keepdim=True)
    assert np.abs(part - (made["text_part"] / length).numpy()).max() < 1e-5
    assert np.abs(whole - part - (made["image_part"] / length).numpy()).max() < 1e-5


@needs_onnx
def test_an_export_that_answers_otherwise_leaves_nothing_behind(run_of, tmp_path, monkeypatch):
    right = embed.Encoder.texts

    def wrong(self, texts, batch_size=32):
        return right(self, texts, batch_size) + np.float32(1e-4 * (batch_size == 7))

    monkeypatch.setattr(embed.Encoder, "texts", wrong)
    with pytest.raises(ExportError, match=r"from torch's.*Nothing was exported"):
        export(run_of("text"), "onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@needs_onnx
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_encoder_whose_embeddings_are_not_finite_is_not_exported(run_of, tmp_path, value):
    run = tmp_path / "run"
    shutil.copytree(run_of("text"), run)
    encoder = load_encoder(run / "model", device="cpu")
    with torch.no_grad():
        next(encoder.parameters())[:, 0] = value
    encoder.save(str(run / "model"))
    with pytest.raises(ExportError, match=r"embeddings in torch of .* that are not finite"):
        export(run, "onnx", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@needs_onnx
def test_a_graph_whose_embeddings_are_not_finite_leaves_nothing_behind(
    run_of, tmp_path, monkeypatch
):
    class Overflowing(embed.Encoder):
        def __init__(self, *args, **keys):
            super().__init__(*args, **keys)
            graph = self._graphs["text"]
            self._graphs["text"] = lambda *given: graph(*given) * np.float32(np.inf)

    monkeypatch.setattr(embed, "Encoder", Overflowing)
    with pytest.raises(ExportError, match=r"the onnx graph fails on .* NaN or infinite"):
        export(run_of("text"), "onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@needs_onnx
def test_without_the_dataset_items_are_made_up(run_of, tmp_path, shop):
    run = tmp_path / "run"
    shutil.copytree(run_of("image"), run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": str(tmp_path / "gone")}))
    made = export(run, "onnx")
    assert made.folder == run / "onnx"
    assert made.summary[0].startswith("image: 48 made up")


@needs_onnx
def test_the_encoder_of_several_datasets_is_exported_from_the_run_itself(
    run_of, tmp_path, shop_folder
):
    run = tmp_path / "run"
    shutil.copytree(run_of("text"), run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    data = [str(shop_folder), {"data": str(tmp_path / "other")}]
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": data}))
    (run / "datasets" / "shop" / "index").mkdir(parents=True)
    assert export(run, "onnx").summary[0].startswith("text: 192 items of shop")


@needs_onnx
def test_nothing_has_no_embeddings(exported_of):
    folder, _ = exported_of("fused", "onnx")
    exported = embed.Encoder(folder, threads=1)
    assert exported.texts([]).shape == (0, 32)
    assert exported.pictures([]).shape == (0, 32)
    only_texts = exported.items(["a", "b"], [None, None])
    assert np.allclose(np.linalg.norm(only_texts, axis=1), 1, atol=1e-5)


@needs_onnx
def test_a_text_tower_that_reads_padding_is_left_out(tmp_path, encoder):
    save_dual("Siglip", tmp_path, encoder.tokenizer)
    dual = load_encoder(tmp_path, device="cpu")
    assert list(encoder_graphs(dual)) == ["image"]


@needs_onnx
def test_a_forward_for_one_batch_size_alone_is_refused(tmp_path):
    class Bound(nn.Module):
        def forward(self, *values):
            return (values[0] + torch.ones(len(values[0]), 1),)

    graph = Graph(Bound(), {"x": torch.ones(3, 4)}, ("sentence_embedding",), 4)
    with pytest.raises(ExportError, match="Serve this encoder with torch"):
        graph.write(tmp_path / "bound.onnx", "onnx")


@needs_onnx
def test_a_forward_that_cannot_be_traced_is_refused_in_one_line(tmp_path):
    class Branching(nn.Module):
        def forward(self, *values):
            return (values[0] if float(values[0].sum()) > 0 else -values[0],)

    graph = Graph(Branching(), {"x": torch.ones(3, 4)}, ("sentence_embedding",), 4)
    with pytest.raises(ExportError, match="cannot write the encoder as a graph") as refused:
        graph.write(tmp_path / "branching.onnx", "onnx")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("runtime", NEEDED)
def test_a_missing_library_names_what_installs_it(run_of, tmp_path, monkeypatch, runtime):
    monkeypatch.setitem(sys.modules, NEEDED[runtime][-1], None)
    with pytest.raises(ExportError, match=rf"pip install 'beekit\[{runtime}\]'"):
        export(run_of("text"), runtime, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(run_of, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(ExportError, match="exists already"):
        export(run_of("text"), "onnx", tmp_path / "out")


def test_what_is_no_run_of_an_encoder_is_refused(run_of, tmp_path):
    with pytest.raises(RunError, match=r"no config\.yaml"):
        export(tmp_path, "onnx")
    (tmp_path / "config.yaml").write_text("data: d\nout: o\nmodels: {EASE: {}}\n")
    with pytest.raises(RunError, match="no model in"):
        export(tmp_path, "onnx")
    with pytest.raises(ConfigError, match="format 'gguf'"):
        export(run_of("text"), "gguf")
    with pytest.raises(ConfigError, match="only with the format faiss"):
        export(run_of("text"), "onnx", factory="HNSW8")
