"""CLIP-like models of open_clip as encoders of pictures and texts."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import open_clip
import torch
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import save_file
from sentence_transformers.base.modules import InputModule
from torch import nn

from beekit.encoder_modules import NAMESPACE, where
from beekit.encoders.open_clip_names import check_names
from beekit.encoders.open_clip_text import encode_texts, read_positions
from beekit.errors import EncoderError

_CONFIG = "open_clip_config.json"
_WEIGHTS = "open_clip_model.safetensors"


class OpenCLIP(InputModule):  # type: ignore[misc]
    """The only module of an encoder whose embeddings are those of an open_clip model.

    Pictures and texts get open_clip's own preprocessing for inference, and its embeddings before
    they are normalised. The temperature of contrastive training (`logit_scale`) stays as it is.
    A saved folder is one of open_clip: `open_clip.create_model_from_pretrained("local-dir:PATH")`
    loads it as well. Where the text tower is a model of transformers, open_clip asks the Hub, or
    its cache, for that tower's configuration whenever it loads such a folder.

    Args:
        model: of open_clip, with its preprocessing in `model.visual.preprocess_cfg`.
        tokenizer: of open_clip, for that model.
        model_cfg: the model's architecture, as in `open_clip_config.json`.

    Attributes:
        modalities: "text" and "image".
        image_tokens: positions that the vision tower makes of a picture, which is what it costs.
    """

    # modules.json names this module, and pickle finds the class there too.
    __module__ = NAMESPACE
    save_in_root = True
    config_keys: ClassVar[list[str]] = ["max_seq_length", "image_tokens"]

    def __init__(self, model: nn.Module, tokenizer: Any, model_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.model_cfg = copy.deepcopy(dict(model_cfg))
        visual: Any = model.visual
        self.image_transform = image_transform_v2(
            PreprocessCfg(**visual.preprocess_cfg), is_train=False
        )
        self.image_tokens = _image_tokens(visual)

    @classmethod
    def from_pretrained(cls, architecture: str, pretrained: str) -> OpenCLIP:
        """A published model, downloaded by open_clip the first time, or a checkpoint file.

        Args:
            architecture: one of `open_clip.list_models()`.
            pretrained: one of its tags, or the path of a checkpoint of that architecture.

        Raises:
            EncoderError: if open_clip knows no such architecture or weights, or cannot download or
                read the weights.
        """
        check_names(architecture, pretrained)
        published = open_clip.get_pretrained_cfg(architecture, pretrained)
        config = open_clip.get_model_config(architecture)
        # Published weights say which activation they need; the architecture alone would guess.
        config["quick_gelu"] = any(one.get("quick_gelu", False) for one in (config, published))
        try:
            force = {"force_quick_gelu": config["quick_gelu"], "require_pretrained": True}
            model = open_clip.create_model(architecture, pretrained, **force)
            tokenizer = open_clip.get_tokenizer(architecture)
        except (
            *(OSError, RuntimeError, ValueError, KeyError, TypeError),
            *(SafetensorError, pickle.UnpicklingError),
        ) as error:
            reason = " ".join(str(error).split())[:300] or repr(error)
            raise EncoderError(
                f"open_clip cannot load {architecture!r} from {pretrained!r} ({reason})",
                expected="weights to download" if published else "a checkpoint of that model",
                remedy="Check the connection, or give the path of a checkpoint instead of the tag."
                if published
                else "Give a checkpoint of the same architecture.",
            ) from error
        return cls(model, tokenizer, config)

    @classmethod
    def from_config(
        cls,
        model_cfg: Mapping[str, Any],
        preprocess_cfg: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> OpenCLIP:
        """A model with random weights.

        Args:
            model_cfg: `embed_dim`, `vision_cfg` and `text_cfg` as open_clip describes models;
                `hf_tokenizer_name` in the latter may be a folder.
            preprocess_cfg: mean, std, interpolation, resize_mode; CLIP's own without it.
            seed: of the weights; the global random state stays as it was.
        """
        config = {"model_cfg": dict(model_cfg), "preprocess_cfg": dict(preprocess_cfg or {})}
        with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            (Path(folder) / _CONFIG).write_text(json.dumps(config), encoding="utf-8")
            torch.default_generator.manual_seed(seed)
            unloaded = {"load_weights": False, "pretrained_text": False}
            model = open_clip.create_model(f"local-dir:{folder}", **unloaded)
        return cls(model, _tokenizer(model_cfg["text_cfg"]), model_cfg)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **given: Any) -> OpenCLIP:
        """What `save` wrote, in float32; open_clip chooses the class of errors."""
        folder = cls.load_dir_path(model_name_or_path, subfolder, **where(given))
        if folder is None:
            raise FileNotFoundError(f"no folder {subfolder!r} in {model_name_or_path!r}")
        model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        config = json.loads((Path(folder) / _CONFIG).read_text(encoding="utf-8"))
        return cls(model, tokenizer, config["model_cfg"])

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the folder that open_clip loads, its weights as safetensors."""
        folder = Path(output_path)
        visual: Any = self.model.visual
        config = {"model_cfg": self.model_cfg, "preprocess_cfg": visual.preprocess_cfg}
        (folder / _CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        weights = {key: value.contiguous() for key, value in self.model.state_dict().items()}
        save_file(weights, folder / _WEIGHTS)
        if isinstance(self.tokenizer, HFTokenizer):  # the other one is part of open_clip
            self.tokenizer.save_pretrained(folder)

    @property
    def modalities(self) -> list[str]:
        return ["text", "image"]

    @property
    def max_seq_length(self) -> int:
        """The context length, in tokens."""
        return int(self.tokenizer.context_length)

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        if length != self.max_seq_length:
            raise EncoderError(
                f"max_seq_length={length} for a model of open_clip",
                expected=f"{self.max_seq_length}, its context length",
                remedy="Leave max_seq_length out.",
            )

    def get_embedding_dimension(self) -> int:
        """Dimensions that pictures and texts share."""
        return int(self.model_cfg["embed_dim"])

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """What `forward` takes.

        Args:
            inputs: pictures or texts, as they are or as `{"image": ...}` and `{"text": ...}`.
            prompt: put before every text.

        Returns:
            `pixel_values` (inputs, 3, height, width) float32, or `input_ids` and `attention_mask`
            (inputs, context length) int64 (see `read_positions`), and their `modality`.
        """
        plain = [_unnamed(each) for each in inputs]
        if all(isinstance(each, Image.Image) for each in plain):
            pixels = torch.stack([self.image_transform(picture) for picture in plain])
            return {"pixel_values": pixels, "modality": "image"}
        if all(isinstance(each, str) for each in plain):
            ids = self.tokenizer([(prompt or "") + text for text in plain])
            mask = read_positions(self.model, ids)
            return {"input_ids": ids, "attention_mask": mask, "modality": "text"}
        raise EncoderError(
            f"inputs of the types {', '.join(sorted({type(each).__name__ for each in plain}))}",
            expected="pictures only (PIL) or texts only",
            remedy="Give pictures and texts apart.",
        )

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The features and `sentence_embedding` (inputs, dims), not normalised."""
        model: Any = self.model
        if "pixel_values" in features:
            # As transformers' vision models do, pixels take the precision of the weights.
            pixels = features["pixel_values"].to(next(model.visual.parameters()).dtype)
            embedding = model.encode_image(pixels, normalize=False)
        else:
            embedding = encode_texts(model, features["input_ids"], features["attention_mask"])
        features["sentence_embedding"] = embedding
        return features


def _unnamed(each: Any) -> Any:
    """The input itself of `{"image": ...}` and `{"text": ...}`."""
    named = isinstance(each, dict) and len(each) == 1 and set(each) <= {"image", "text"}
    return next(iter(each.values())) if named else each


def _tokenizer(text_cfg: Mapping[str, Any]) -> Any:
    """The tokenizer that a text tower's configuration names."""
    length = text_cfg.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = text_cfg.get("tokenizer_kwargs") or {}
    name, mode = text_cfg.get("hf_tokenizer_name"), text_cfg.get("tokenizer_mode")
    if name:
        return HFTokenizer(name, context_length=length, tokenizer_mode=mode, **options)
    return SimpleTokenizer(context_length=length, **options)


def _image_tokens(visual: Any) -> int:
    """Rows of the vision tower's position table; cells of a convolutional network's last map."""
    for part in (visual, getattr(visual, "attnpool", None), getattr(visual, "trunk", None)):
        for name in ("positional_embedding", "pos_embed"):
            table = getattr(part, name, None)
            if isinstance(table, torch.Tensor) and table.ndim in (2, 3):
                return int(table.shape[-2])
    height, width = (int(side) // 32 for side in visual.image_size)
    return max(1, height * width)
