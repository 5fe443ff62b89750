"""Embed texts, pictures or both by the graphs beside this file, without torch.

It needs numpy and the runtime of the graphs, onnxruntime or openvino; for texts also `tokenizers`,
for pictures `pillow`, and `ftfy` if `clean` in export.json is not null.

    from embed import Encoder

    encoder = Encoder("FOLDER OF THE EXPORT")
    encoder.texts(["a red printer", "toner"])  # (2, dims) float32, rows of length 1
"""

from __future__ import annotations

import html
import json
import string
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Graph = Callable[[dict[str, np.ndarray], str], np.ndarray]
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Encoder:
    """The exported encoder.

    Args:
        folder: folder of the export, with export.json; None for the folder of this file.
        threads: number of threads of a graph; None to let the runtime choose.

    Attributes:
        about: the content of export.json.
    """

    def __init__(self, folder: str | Path | None = None, threads: int | None = None) -> None:
        self.folder = Path(__file__).parent if folder is None else Path(folder)
        about = (self.folder / "export.json").read_text(encoding="utf-8")
        self.about: dict[str, Any] = json.loads(about)
        opened = _onnxruntime if self.about["format"] == "onnx" else _openvino
        self._graphs: dict[str, Graph] = {
            name: opened(str(self.folder / graph["file"]), threads)
            for name, graph in self.about["graphs"].items()
        }
        self._tokenizer: Any = None
        if "text" in self.about:
            tokenizers = import_module("tokenizers")
            self._tokenizer = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def texts(self, texts: Sequence[str], batch_size: int = 32) -> np.ndarray:
        """The embeddings (texts, dims) float32 of texts; rows have length 1."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        return self._embed(
            "text", order, batch_size, lambda places: self.tokens([texts[p] for p in places])
        )

    def tokens(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The inputs of the graph of texts: (texts, tokens) int64 by name."""
        about = self.about["text"]
        cleaning, prompt = about["clean"], about.get("prompt") or ""
        prompted = [prompt + text for text in texts]
        cleaned = [_cleaned(text, cleaning) for text in prompted] if cleaning else prompted
        special = about.get("special_tokens", True)
        read = self._tokenizer.encode_batch(cleaned, add_special_tokens=special)
        fields = {
            "input_ids": "ids",
            "attention_mask": "attention_mask",
            "token_type_ids": "type_ids",
        }
        return {
            name: np.array([getattr(one, fields[name]) for one in read], dtype=np.int64)
            for name in self.about["graphs"]["text"]["inputs"]
        }

    def pictures(self, pictures: Sequence[Any], batch_size: int = 32) -> np.ndarray:
        """The embeddings (pictures, dims) float32 of Pillow pictures; rows have length 1."""

        def pixels(places: Sequence[int]) -> dict[str, np.ndarray]:
            return {"pixel_values": np.stack([self.preprocess(pictures[p]) for p in places])}

        return self._embed("image", range(len(pictures)), batch_size, pixels)

    def pixels(self, pixel_values: np.ndarray, batch_size: int = 32) -> np.ndarray:
        """The embeddings (pictures, dims) of preprocessed pictures (pictures, channels, height,
        width) float32."""
        places = range(len(pixel_values))
        return self._embed("image", places, batch_size, lambda p: {"pixel_values": pixel_values[p]})

    def preprocess(self, picture: Any) -> np.ndarray:
        """A picture as (channels, height, width) float32: resized, cropped, scaled, normalised.

        Raises:
            ValueError: if the encoder preprocesses pictures in another way; then preprocess them
                yourself and use `pixels`.
        """
        recipe = self.about["image"]["recipe"]
        if recipe is None:
            raise ValueError(
                "this encoder preprocesses pictures in another way than by resizing, cropping and "
                "normalising; preprocess them as preprocessor_config.json says, and use `pixels`"
            )
        return preprocessed(picture, recipe)

    def items(
        self, texts: Sequence[str], pictures: Sequence[Any], batch_size: int = 32
    ) -> np.ndarray:
        """The embeddings (items, dims) float32 of items with text and picture; rows have length 1.

        Args:
            texts: (items,) texts; "" for an item without text.
            pictures: (items,) Pillow pictures; None for an item without picture.
            batch_size: number of items embedded at once.
        """
        shown = [place for place, picture in enumerate(pictures) if picture is not None]
        image = self.pictures([pictures[place] for place in shown], batch_size)
        return self.fused(texts, shown, image, batch_size)

    def fused(
        self, texts: Sequence[str], shown: Sequence[int], image: np.ndarray, batch_size: int = 32
    ) -> np.ndarray:
        """The embeddings of items whose pictures are embedded already.

        Args:
            texts: (items,) texts; "" for an item without text.
            shown: positions of the items that have a picture.
            image: (shown, dims) embeddings of these pictures by `pictures` or `pixels`.
            batch_size: number of texts embedded at once.
        """
        written = [place for place, text in enumerate(texts) if text]
        sides = {name: self._empty(name, len(texts)) for name in ("text", "image")}
        sides["text"][written] = self.texts([texts[place] for place in written], batch_size)
        sides["image"][list(shown)] = image
        return self._run("fusion", {f"{name}_embedding": side for name, side in sides.items()})

    def _embed(
        self, graph: str, order: Sequence[int], batch_size: int, feeds: Callable[[list[int]], Any]
    ) -> np.ndarray:
        """The embeddings (inputs, dims) of the inputs at all positions in `order`, in batches."""
        embedded = self._empty(graph, len(order))
        for begin in range(0, len(order), batch_size):
            places = list(order[begin : begin + batch_size])
            embedded[places] = self._run(graph, feeds(places))
        return embedded

    def _empty(self, graph: str, count: int) -> np.ndarray:
        return np.zeros((count, self.about["graphs"][graph]["dims"]), dtype=np.float32)

    def _run(self, graph: str, feeds: dict[str, np.ndarray]) -> np.ndarray:
        """The embeddings by a graph.

        Raises:
            ValueError: if one is NaN or infinite.
        """
        embedded = self._graphs[graph](feeds, "sentence_embedding")
        wrong = np.flatnonzero(~np.isfinite(embedded).all(axis=1))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(embedded)} embeddings by the graph {graph!r} are NaN or "
                f"infinite (first: position {wrong[0]} of its batch); check that input, or export "
                "the encoder again"
            )
        return embedded


def preprocessed(picture: Any, recipe: dict[str, Any]) -> np.ndarray:
    """A Pillow picture as (channels, height, width) float32, by a recipe in export.json."""
    picture = picture.convert("RGB")
    picture = picture.resize(_resized(picture.size, recipe["resize"]), recipe["resample"])
    values = np.asarray(picture, dtype=np.float32)
    if recipe["crop"]:
        height, width = recipe["crop"]
        whole = round if recipe["odd_margins"] == "round" else int
        top, left = (whole((values.shape[axis] - recipe["crop"][axis]) / 2) for axis in (0, 1))
        values = values[top : top + height, left : left + width]
    mean, std = (np.array(recipe[name], dtype=np.float32) for name in ("mean", "std"))
    scaled = (values * np.float32(recipe["rescale"]) - mean) / std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), dtype=np.float32)


def _onnxruntime(path: str, threads: int | None) -> Graph:
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feeds, output: np.asarray(session.run([output], feeds)[0])


def _openvino(path: str, threads: int | None) -> Graph:
    runtime = import_module("openvino")
    # The default of OpenVINO is to compute in bfloat16 if the processor can.
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    compiled = runtime.Core().compile_model(path, "CPU", options)
    return lambda feeds, output: np.array(compiled(feeds)[compiled.output(output)])


def _resized(size: tuple[int, int], rule: dict[str, int]) -> tuple[int, int]:
    """The new (width, height) of a picture with this size."""
    if "height" in rule:
        return rule["width"], rule["height"]
    short, edge = min(size), rule["shortest_edge"]
    width, height = (edge if side == short else int(edge * side / short) for side in size)
    return width, height


def _cleaned(text: str, how: str) -> str:
    """The text cleaned as by open_clip; `how` is "whitespace", "lower" or "canonicalize"."""
    text = html.unescape(html.unescape(import_module("ftfy").fix_text(text)))
    if how == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if how == "whitespace" else text.lower()
