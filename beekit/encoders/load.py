"""Loading an encoder: any `SentenceTransformer`, or a model of transformers or open_clip."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router, WordWeights
from sentence_transformers.util import load_file_path

from beekit.encoders.adapters import merge_adapters
from beekit.encoders.pooling import family_pooling, pooling_of, set_pooling
from beekit.encoders.precision import to_float32
from beekit.encoders.prompts import settle_prompt
from beekit.encoders.same_as_encode import positions
from beekit.errors import EncoderError

logger = logging.getLogger(__name__)

_OPEN_CLIP = "open_clip:"
# Lengths that stand for no limit; those of texts are far below.
_NO_LIMIT = 2**31


def load_encoder(
    name_or_path: str | Path,
    *,
    pooling: str | None = None,
    max_seq_length: int | None = None,
    prompt: str | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """The encoder saved in a folder, or published under a name, ready to embed and train.

    Its weights are float32, whatever they were saved in; adapters (PEFT) are merged into them. What
    it does with a text is what its `encode` does, and saved it keeps that; `settle_prompt` says
    which prompt and route items get.

    Args:
        name_or_path: a folder in SentenceTransformer format, or of a model of transformers;
            `user/name` of either on the Hub; or `open_clip:ARCHITECTURE/TAG`, where the tag is one
            of open_clip's or the path of a checkpoint.
        pooling: "cls", "mean" or "max" of token embeddings. Without it, what the folder says;
            vision models in folders of transformers, which say nothing, by `family_pooling`.
        max_seq_length: texts are cut after so many tokens; the encoder's own limit without it.
        prompt: before every text, "" for nothing; the encoder's own for documents without it.
        device: "cpu", "cuda", ...; the best there is without it.
        trust_remote_code: run code that the model's repository brings along.

    Raises:
        EncoderError: if nothing can be loaded under that name, or if the encoder cannot take
            `pooling`, `max_seq_length` or `prompt`.
    """
    name = str(name_or_path)
    if name.startswith(_OPEN_CLIP):
        # Imported here: open_clip takes a while to import, and few encoders are of it.
        from beekit.encoders.open_clip import OpenCLIP

        architecture, _, pretrained = name.removeprefix(_OPEN_CLIP).partition("/")
        module = OpenCLIP.from_pretrained(architecture, pretrained)
        encoder = SentenceTransformer(modules=[module], device=device)
    else:
        try:
            encoder = SentenceTransformer(name, device=device, trust_remote_code=trust_remote_code)
            unsaid = pooling is None and says_no_pooling(name)
        except (
            *(OSError, ValueError, RuntimeError, KeyError, IndexError, TypeError, ImportError),
            *(AttributeError, SafetensorError),  # the first where JSON holds another kind of value
        ) as error:
            reason = next(iter(str(error).strip().splitlines()), repr(error))
            raise EncoderError(
                f"cannot load the encoder {name!r} ({reason})",
                expected="a folder in SentenceTransformer format or a model name on the Hub",
                remedy="Check the path or name, and the connection if it is a name.",
            ) from error
        if merge_adapters(encoder):
            logger.info("the adapters of %s are merged into its weights", name)
        if unsaid:
            pooling = family_pooling(encoder)
            assumed = pooling or pooling_of(encoder)
            if assumed is not None:
                logger.warning("%s says no pooling; %s is assumed", name, assumed)
    came = to_float32(encoder)
    if came is not None:
        logger.info("%s was saved in %s, and is used in float32", name, came)
    _keep_unsaved(encoder)
    if pooling is not None:
        set_pooling(encoder, pooling)
    if max_seq_length is not None:
        _limit(encoder, name, max_seq_length)
    if prompt and "text" not in encoder.modalities:
        reads = ", ".join(map(str, encoder.modalities))
        raise EncoderError(
            f"prompt={prompt!r} for {name!r}, which reads {reads}",
            expected="an encoder of texts",
            remedy="Leave prompt out.",
        )
    settle_prompt(encoder, prompt)
    return encoder


def says_no_pooling(name_or_path: str | Path) -> bool:
    """Whether what is loaded under that name gets a pooling that its folder does not name: a folder
    of transformers, or one of another kind of model, such as a CrossEncoder."""
    name = str(name_or_path)
    if name.startswith(_OPEN_CLIP):
        return False
    if load_file_path(name, "modules.json") is None:
        return True
    config = load_file_path(name, "config_sentence_transformers.json")
    try:
        content = {} if config is None else json.loads(Path(config).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    kind = content.get("model_type") if isinstance(content, dict) else None
    return kind not in (None, SentenceTransformer.__name__)


def text_module(encoder: SentenceTransformer) -> Any:
    """The module that reads texts: the first, or the first of a Router's default route."""
    first = encoder[0]
    if isinstance(first, Router) and first.default_route in first.sub_modules:
        return first.sub_modules[first.default_route][0]
    return first


def token_limit(encoder: SentenceTransformer) -> int | None:
    """Tokens after which texts are cut; None where they are not, or where none are read."""
    reads = "text" in encoder.modalities
    length = getattr(text_module(encoder), "max_seq_length", None) if reads else None
    return int(length) if length is not None and length < _NO_LIMIT else None


def _keep_unsaved(encoder: SentenceTransformer) -> None:
    """Freeze weights that a folder does not hold, since a saved encoder would lose what they learn.

    `WordWeights` reads its weights from its configuration alone.
    """
    for module in encoder.modules():
        if isinstance(module, WordWeights):
            module.requires_grad_(False)


def _limit(encoder: SentenceTransformer, name: str, length: int) -> None:
    """Cut texts after so many tokens."""
    if "text" not in encoder.modalities:
        raise EncoderError(
            f"max_seq_length={length} for {name!r}, which reads {', '.join(encoder.modalities)}",
            expected="an encoder of texts",
            remedy="Leave max_seq_length out.",
        )
    own = token_limit(encoder)
    places = positions(encoder)
    if places is not None:
        own = places if own is None else min(own, places)
    if length < 3 or (own is not None and length > own):
        raise EncoderError(
            f"max_seq_length={length} for {name!r}",
            expected=f"3 to {own}, the encoder's own limit" if own else "at least 3",
            remedy="Choose a length in that range, or leave it out.",
        )
    try:
        encoder.max_seq_length = length
    except AttributeError as error:
        raise EncoderError(
            f"max_seq_length={length} for {name!r}, which cuts no texts",
            expected="an encoder that does",
            remedy="Leave max_seq_length out.",
        ) from error
