"""Exporting a run's encoder for other runtimes, with a check against torch."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st_modules
from torch import Tensor
from torch.nn import functional

from beekit.encoders.inputs import embedding_of
from beekit.encoders.prompts import item_prompt
from beekit.encoders.text_image import reads_both
from beekit.errors import ExportError
from beekit.export.check_items import Sample, samples
from beekit.export.compare_embeddings import Agreement, compare
from beekit.export.encoder_graphs import encoder_graphs, has_states
from beekit.export.graph import OPSET
from beekit.export.image_preprocessing import describe_pictures
from beekit.export.libraries import NEEDED, versions
from beekit.export.readme import write_about
from beekit.export.standalone import embed
from beekit.export.tokenizer import save_tokenizer
from beekit.files import write_json
from beekit.finite import require_finite
from beekit.run.config import Config
from beekit.run_files import parse_json, read_json

# The files in which the backends of sentence-transformers look for graphs.
_FILES = {"onnx": "onnx/{}.onnx", "openvino": "openvino/openvino_{}.xml"}
_NAMES = {"text": "text_model", "image": "vision_model", "fusion": "fusion"}
# A single item, a few padded together, and many; none is the size of the traced example.
_BATCH_SIZES = (1, 7, 32)
# The number of items also embedded in float64, which takes several times longer.
_EXACT = 32


def export_encoder(
    encoder: SentenceTransformer, config: Config, folder: Path, runtime: str
) -> tuple[str, ...]:
    """Write an encoder to an empty folder, and compare its embeddings there with torch's.

    Args:
        encoder: the encoder; it is in float64 afterwards.
        config: the run's configuration, which names the dataset with items to check.
        folder: the empty folder.
        runtime: "onnx" or "openvino".

    Returns:
        one line on each check: of texts and of pictures, or of items with both.

    Raises:
        ExportError: if the encoder cannot be exported, or if the embeddings differ too much.
    """
    encoder = encoder.to("cpu").float().eval()
    parts = encoder_graphs(encoder)
    both = reads_both(encoder)
    of_text, of_image = (encoder[0].text, encoder[0].image) if both else (encoder, encoder)
    about: dict[str, Any] = {"schema": 1, "format": runtime, "opset": OPSET, "graphs": {}}
    if has_states(encoder):
        _save_folder(encoder, folder)
    for name, graph in parts.items():
        file = _FILES[runtime].format("model" if len(parts) == 1 else _NAMES[name])
        graph.write(folder / file, runtime)
        about["graphs"][name] = {"file": file, **graph.describe()}
    if "text" in parts:
        about["text"] = save_tokenizer(of_text, folder / "tokenizer.json")
        if prompt := item_prompt(encoder):
            about["text"]["prompt"] = prompt
    if "image" in parts:
        about["image"] = describe_pictures(of_image)
        processor = getattr(of_image[0], "processor", None)
        processor = getattr(processor, "image_processor", processor)
        if processor is not None:  # of transformers: preprocessor_config.json, as they keep it
            processor.save_pretrained(folder)
    about |= {"normalised": True, "versions": versions(runtime)}
    write_json(folder / "export.json", about)
    shutil.copy(str(embed.__file__), folder / "embed.py")
    agreements, recipe_distance = _check(encoder, samples(config, encoder, parts), folder)
    about["agreement"] = {kind: agreement._asdict() for kind, agreement in agreements.items()}
    if recipe_distance is not None:
        about["image"]["recipe_distance"] = recipe_distance
    write_about(folder, about)
    for agreement in agreements.values():
        agreement.require(NEEDED[runtime][-1])
    return tuple(f"{kind}: {one.summary()}" for kind, one in agreements.items())


def _save_folder(encoder: SentenceTransformer, folder: Path) -> None:
    """Save the files that the backends of sentence-transformers load besides the graph: all files
    of the encoder except its weights.

    These backends need optimum, which needs older versions of the libraries than beekit does. So
    names that have changed since are written in their older form, which newer versions read too.
    """
    encoder.save(str(folder), create_model_card=False)
    for pattern in ("model*.safetensors*", "pytorch_model*.bin*"):
        for weights in folder.glob(pattern):
            weights.unlink()
    path = folder / "tokenizer_config.json"
    settings = read_json(path)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        write_json(path, settings | {"tokenizer_class": "PreTrainedTokenizerFast"})
    path = folder / "modules.json"
    modules = parse_json(path)
    for module in modules:
        home, _, name = module["type"].rpartition(".")
        if home.startswith("sentence_transformers.") and hasattr(st_modules, name):
            module["type"] = f"sentence_transformers.models.{name}"
    write_json(path, modules)


def _check(
    encoder: SentenceTransformer, given: dict[str, Sample], folder: Path
) -> tuple[dict[str, Agreement], float | None]:
    """The agreement on each sample, and the largest distance between the embeddings of pictures
    that the recipe preprocesses and those that the encoder preprocesses; None without a recipe."""
    exported = embed.Encoder(folder, threads=torch.get_num_threads())
    agreements, distance = {}, None
    for kind, sample in given.items():
        inputs = sample.inputs
        torchs = _in_torch(encoder.float(), inputs)
        found = f"embeddings in torch of {sample.source}"
        remedy = "Nothing was exported; check the embeddings of the run's encoder."
        require_finite(torchs, found, remedy=remedy, error=ExportError)
        try:
            by_size = {size: _exported(exported, encoder, inputs, size) for size in _BATCH_SIZES}
        except ValueError as error:  # raised by embed.py, which is exported with the graph
            raise ExportError(
                f"the {exported.about['format']} graph fails on {sample.source} ({error})",
                expected="finite embeddings, as by torch",
                remedy="Nothing was exported; serve this encoder with torch.",
            ) from error
        if kind != "text" and exported.about["image"]["recipe"] is not None:
            if kind == "image":
                own = exported.pictures(inputs)
            else:
                own = exported.items([i["text"] for i in inputs], [i["image"] for i in inputs])
            distance = float(np.linalg.norm(own - torchs, axis=1).max())
        step = max(1, len(inputs) // _EXACT)
        exact = _in_torch(encoder.double(), inputs[::step])
        agreements[kind] = compare(sample.source, torchs, exact, step, by_size, sample.histories)
    return agreements, distance


def _in_torch(encoder: SentenceTransformer, inputs: Sequence[Any]) -> np.ndarray:
    """(items, dims) embeddings in the encoder's precision, rows of length 1."""
    precision = next(encoder.parameters()).dtype
    rows = []
    with torch.inference_mode():
        for begin in range(0, len(inputs), _BATCH_SIZES[-1]):
            batch = list(inputs[begin : begin + _BATCH_SIZES[-1]])
            features = encoder.preprocess(batch, prompt=item_prompt(encoder) or None)
            for key, value in features.items():
                if isinstance(value, Tensor) and value.is_floating_point():
                    features[key] = value.to(precision)
            rows.append(functional.normalize(embedding_of(encoder, encoder(features)), dim=-1))
    return torch.cat(rows).numpy()


def _exported(
    exported: embed.Encoder, encoder: SentenceTransformer, inputs: Sequence[Any], size: int
) -> np.ndarray:
    """(items, dims) embeddings by the graphs. They get the pixels that torch got, so that only the
    graphs are compared."""
    if isinstance(inputs[0], str):
        return exported.texts(inputs, size)
    if not isinstance(inputs[0], dict):
        return exported.pixels(_pixels(encoder, inputs), size)
    shown = [place for place, item in enumerate(inputs) if item["image"] is not None]
    pictures = [inputs[place]["image"] for place in shown]
    image = exported.pixels(_pixels(encoder[0].image, pictures), size)
    return exported.fused([item["text"] for item in inputs], shown, image, size)


def _pixels(encoder: SentenceTransformer, pictures: Sequence[Any]) -> np.ndarray:
    if not pictures:
        return np.zeros(0, dtype=np.float32)
    return np.asarray(encoder.preprocess(list(pictures))["pixel_values"].float().numpy())
