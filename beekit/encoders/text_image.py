"""One embedding from the text and the picture of an item, either of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses.gradcache import has_static_embedding_input
from sentence_transformers.base.modules import InputModule
from sentence_transformers.util import load_dir_path
from torch import Tensor, nn
from torch.nn import functional

from beekit.encoder_modules import NAMESPACE, where
from beekit.encoders.inputs import embedding_of
from beekit.errors import EncoderError

FUSIONS = ("mean", "concat", "gated")

# After the names of what the image side reads, so that the two sides' features fit into one dict.
# Trainers tell the columns of a batch by how names end, so `pixel_values` must not be the end.
IMAGE_SUFFIX = "_of_image"
_WEIGHTS = "text_image.safetensors"


class TextImage(InputModule):  # type: ignore[misc]
    """Late fusion of a text encoder and an image encoder.

    With t and i the L2-normalised embeddings of an item's text and picture, its embedding is

        mean    t + i                            in a space both sides share, such as CLIP's
        concat  W_t t + W_i i                    the two side by side, projected
        gated   g ⊙ W_t t + (1 − g) ⊙ W_i i      g = σ(U [t; i] + b), one gate a dimension

    A missing side adds nothing, and the gate is open for the other; length does not matter, since
    embeddings are normalised afterwards. Every kind is a sum of one part a side (features
    `text_part` and `image_part`), so a score tells what it owes to which side. W_t and W_i begin as
    rotations, U and b as zero: before training, all kinds compare items by both sides alike.

    The gate is that of Arevalo et al. (Gated Multimodal Units, 2017) without its nonlinearity on
    the sides, which would bend the spaces that pretrained encoders bring along.

    Args:
        text: encoder of texts.
        image: encoder of pictures; the same object where one encoder reads both.
        fusion: one of `FUSIONS`.
        dims: of the embedding, for concat and gated; the larger of the two sides' without it.
        seed: of the rotations; the global random state stays as it was.

    Raises:
        EncoderError: if `fusion` is not one of `FUSIONS`, or if it is "mean" and the two sides and
            `dims`, where given, do not all have the same size.
    """

    # modules.json names this module, and pickle finds the class there too.
    __module__ = NAMESPACE
    config_file_name = "text_image_config.json"

    def __init__(
        self,
        text: SentenceTransformer,
        image: SentenceTransformer,
        fusion: str = "concat",
        dims: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = [int(side.get_embedding_dimension() or 0) for side in (text, image)]
        if fusion not in FUSIONS:
            known = f"one of {', '.join(FUSIONS)}"
            raise EncoderError(f"fusion={fusion!r}", expected=known, remedy="Choose one of those.")
        if fusion == "mean" and (sizes[0] != sizes[1] or dims not in (None, sizes[0])):
            raise EncoderError(
                f"fusion=mean of {sizes[0]} text and {sizes[1]} image dimensions",
                expected="sides of one size, as of encoders that share a space",
                remedy="Use fusion=concat or fusion=gated.",
            )
        self.text, self.image, self.fusion = text, image, fusion
        self.dims = dims or max(sizes)
        if fusion != "mean":
            generator = torch.Generator().manual_seed(seed)
            self.text_projection = _rotation(sizes[0], self.dims, generator)
            self.image_projection = _rotation(sizes[1], self.dims, generator)
        if fusion == "gated":
            self.gate = nn.Linear(sum(sizes), self.dims)
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.gate.bias)

    @property
    def modalities(self) -> list[Any]:
        """Texts, pictures, both together, and batches that mix those."""
        return ["text", "image", ("image", "text"), "message"]

    @property
    def tokenizer(self) -> Any:
        return self.text.tokenizer

    @property
    def max_seq_length(self) -> Any:
        return self.text.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, value: int) -> None:
        self.text.max_seq_length = value

    def get_embedding_dimension(self) -> int:
        return self.dims

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Features of items.

        Args:
            inputs: texts, pictures (PIL), or mappings with `text` and `image`, either of them None.
            prompt: before every text.

        Raises:
            EncoderError: if an input is none of those.
        """
        pairs = [_pair(given) for given in inputs]
        features = dict(self.text.preprocess([text or "" for text, _ in pairs], prompt=prompt))
        features["has_text"] = torch.tensor([bool(text) for text, _ in pairs])
        shown = [image for _, image in pairs if image is not None]
        features["has_image"] = torch.tensor([image is not None for _, image in pairs])
        if shown:
            features |= of_image(self.image.preprocess(shown), features["has_image"])
        return features

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Adds `sentence_embedding`, `text_part` and `image_part`, all (items, dims)."""
        own = dict(features)
        has_text, has_image = own.pop("has_text"), own.pop("has_image")
        of_image = [key for key in own if key.endswith(IMAGE_SUFFIX)]
        shown = {key.removesuffix(IMAGE_SUFFIX): own.pop(key) for key in of_image}
        t = _embedded(self.text, own, has_text)
        i = _embedded(self.image, shown, has_image)
        if self.fusion == "gated":
            g = torch.sigmoid(self.gate(torch.cat([t, i], dim=-1)))
            both = (has_text & has_image).unsqueeze(-1)
            g = torch.where(both, g, has_text.unsqueeze(-1).to(g.dtype))
        if self.fusion != "mean":
            t, i = self.text_projection(t), self.image_projection(i)
        if self.fusion == "gated":
            t, i = g * t, (1 - g) * i
        return {**features, "text_part": t, "image_part": i, "sentence_embedding": t + i}

    def get_config_dict(self) -> dict[str, Any]:
        return {"fusion": self.fusion, "dims": self.dims, "one_encoder": self.text is self.image}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Each side as a SentenceTransformer folder of its own, and the fusion beside them."""
        self.text.save(str(Path(output_path) / "text"))
        if self.image is not self.text:
            self.image.save(str(Path(output_path) / "image"))
        self.save_config(output_path)
        own = {k: v.contiguous() for k, v in self.state_dict().items() if not _of_side(k)}
        save_file(own, str(Path(output_path) / _WEIGHTS))

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **given: Any) -> Self:
        at = where(given)
        config = cls.load_config(model_name_or_path, subfolder=subfolder, **at)
        one_encoder = config.pop("one_encoder")
        sides = [
            SentenceTransformer(
                load_dir_path(model_name_or_path, (Path(subfolder) / side).as_posix(), **at),
                device="cpu",
                trust_remote_code=given.get("trust_remote_code", False),
            )
            for side in (("text",) if one_encoder else ("text", "image"))
        ]
        module = cls(sides[0], sides[-1], **config)
        weights = cls.load_file_path(model_name_or_path, _WEIGHTS, subfolder=subfolder, **at)
        found = module.load_state_dict(load_file(weights), strict=False)
        wrong = [*found.unexpected_keys, *(k for k in found.missing_keys if not _of_side(k))]
        if wrong:
            raise ValueError(f"{_WEIGHTS} does not fit {cls.config_file_name}: {', '.join(wrong)}")
        return module


def fuse(
    text: SentenceTransformer,
    image: SentenceTransformer,
    fusion: str = "concat",
    *,
    dims: int | None = None,
    seed: int = 0,
) -> SentenceTransformer:
    """An encoder of items with text and picture, from an encoder of each; see `TextImage`.

    Texts are read after the prompt that the text encoder has by default.

    Raises:
        EncoderError: if `text` does not read texts as sequences of tokens, if `image` does not read
            pictures, or if `TextImage` refuses the arguments.
    """
    for encoder, modality in ((text, "text"), (image, "image")):
        if not encoder.supports(modality):
            raise EncoderError(
                f"an encoder of {', '.join(map(str, encoder.modalities))} for the {modality} side",
                expected=f"an encoder that reads {modality}",
                remedy=f"Choose a {modality} encoder for that side.",
            )
    if has_static_embedding_input(text):
        raise EncoderError(
            "a text encoder of one vector a token (StaticEmbedding) beside pictures",
            expected="one that reads token sequences",
            remedy="Choose a transformer for the texts, or leave the pictures out.",
        )
    return SentenceTransformer(
        modules=[TextImage(text, image, fusion, dims, seed)],
        device=str(text.device),
        prompts=dict(text.prompts),
        default_prompt_name=text.default_prompt_name,
    )


def reads_both(encoder: SentenceTransformer) -> bool:
    """Whether the encoder makes one embedding of a text and a picture."""
    return isinstance(encoder[0], TextImage)


def of_image(features: Mapping[str, Any], present: Tensor) -> dict[str, Any]:
    """Features of the pictures there are, under names of their own, a row of zeros for each item
    that has no picture; `present` (items,) says which have one."""
    spread = {f"{key}{IMAGE_SUFFIX}": value for key, value in features.items()}
    for key, value in spread.items():
        if isinstance(value, Tensor) and not bool(present.all()):
            spread[key] = value.new_zeros((len(present), *value.shape[1:]))
            spread[key][present] = value
    return spread


def _pair(given: Any) -> tuple[str | None, Any]:
    if isinstance(given, Mapping) and set(given) <= {"text", "image"}:
        return given.get("text"), given.get("image")
    if isinstance(given, str):
        return given, None
    if hasattr(given, "convert"):  # a PIL picture
        return None, given
    raise EncoderError(
        f"an input of type {type(given).__name__}",
        expected="a text, a picture, or a mapping with text and image",
        remedy="Pass pictures as PIL images.",
    )


def _embedded(side: SentenceTransformer, features: dict[str, Any], present: Tensor) -> Tensor:
    """(items, side's dims) L2-normalised; zeros, never encoded, where the side is missing."""
    dims = int(side.get_embedding_dimension() or 0)
    rows = present.nonzero().squeeze(-1)
    if len(rows) == 0:
        weight = next(side.parameters())
        return torch.zeros(len(present), dims, dtype=weight.dtype, device=weight.device)
    some = len(rows) < len(present)
    if some:
        features = {k: v[rows] if isinstance(v, Tensor) else v for k, v in features.items()}
    made = embedding_of(side, side(dict(features)))
    # In half precision a length may overflow where no entry does, which would leave zeros.
    exact = made if made.dtype == torch.float64 else made.float()
    embedding = functional.normalize(exact, dim=-1).to(made.dtype)
    if not some:
        return embedding
    return embedding.new_zeros(len(present), dims).index_copy(0, rows, embedding)


def _rotation(inside: int, outside: int, generator: torch.Generator) -> nn.Linear:
    """A linear map without bias that keeps angles, if it has room for them."""
    linear = nn.Linear(inside, outside, bias=False)
    with torch.no_grad():
        drawn = torch.randn(max(inside, outside), min(inside, outside), generator=generator)
        q = torch.linalg.qr(drawn)[0]
        linear.weight.copy_(q if outside >= inside else q.T)
    return linear


def _of_side(key: str) -> bool:
    return key.startswith(("text.", "image."))
