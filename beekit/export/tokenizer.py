"""Exporting an encoder's tokenizer as one file for the `tokenizers` library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from beekit.encoders.load import text_module, token_limit
from beekit.errors import ExportError
from beekit.export.encoder_graphs import reads_padding

# The functions by which open_clip cleans texts before tokenising, and our names for them.
_CLEANING = {f"_clean_{how}": how for how in ("whitespace", "lower", "canonicalize")}
# The words of open_clip: contractions, letters, single digits, other characters.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def save_tokenizer(encoder: SentenceTransformer, path: Path) -> dict[str, Any]:
    """Write `tokenizer.json`, which cuts and pads texts as the encoder does.

    Returns:
        `max_tokens`, after which texts are cut; `length`, to which texts are padded, None for the
        longest in the batch; `clean`, how texts are cleaned before, None for not at all; and
        `special_tokens`, false if the tokenizer must not add its own.

    Raises:
        ExportError: if the `tokenizers` library cannot express the tokenizer.
    """
    limit, own, clean, length = token_limit(encoder), text_module(encoder).tokenizer, None, None
    if reads_padding(encoder):
        tokenizer, clean = _of_open_clip(own)
        own, length = getattr(own, "tokenizer", own), limit
    else:
        tokenizer = _backend(own)
    if limit is not None:
        side = getattr(own, "truncation_side", "right")
        tokenizer.enable_truncation(max_length=limit, direction=side)
    # The tokenizer of open_clip pads with token 0 and has no attribute for it.
    pad = getattr(own, "pad_token_id", None) or 0
    tokenizer.enable_padding(
        direction=getattr(own, "padding_side", "right"),
        pad_id=pad,
        pad_type_id=getattr(own, "pad_token_type_id", 0),
        pad_token=tokenizer.id_to_token(pad) or "",
        length=length,
    )
    tokenizer.save(str(path))
    told = {"max_tokens": limit, "length": length, "clean": clean}
    # `StaticEmbedding` reads words alone, with such a tokenizer.
    return told | ({"special_tokens": False} if isinstance(own, Tokenizer) else {})


def _backend(tokenizer: Any) -> Tokenizer:
    """A copy of a tokenizer of `tokenizers`, or of the one in a fast tokenizer of transformers."""
    bare = isinstance(tokenizer, Tokenizer)
    backend = tokenizer if bare else getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise _unknown(tokenizer)
    copied: Tokenizer = Tokenizer.from_str(backend.to_str())
    return copied


def _of_open_clip(tokenizer: Any) -> tuple[Tokenizer, str]:
    """The tokenizer of an open_clip model, and the name of the cleaning before it."""
    clean = _CLEANING.get(getattr(tokenizer.clean_fn, "__name__", ""))
    wrapped = getattr(tokenizer, "tokenizer", None)
    special = ("tokenizer_mode", "strip_sep_token", "reduction_fn")
    if clean is None or any(getattr(tokenizer, name, None) for name in special):
        raise _unknown(tokenizer)
    if wrapped is not None:
        return _backend(wrapped), clean
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    made = Tokenizer(models.BPE(vocab=tokenizer.encoder, merges=merges, end_of_word_suffix="</w>"))
    if clean != "whitespace":
        made.normalizer = normalizers.Lowercase()
    split = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    made.decoder = decoders.ByteLevel()
    ends = [(tokenizer.decoder[i], i) for i in (tokenizer.sot_token_id, tokenizer.eot_token_id)]
    made.post_processor = processors.TemplateProcessing(
        single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends
    )
    return made, clean


def _unknown(tokenizer: Any) -> ExportError:
    return ExportError(
        f"a tokenizer of the class {type(tokenizer).__name__}",
        expected="one that the tokenizers library can express",
        remedy="Serve this encoder with torch, or save it with a fast tokenizer.",
    )
