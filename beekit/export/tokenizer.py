"""An encoder's tokenizer as one file that the `tokenizers` library reads, limits included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from beekit.errors import ExportError
from beekit.export.encoder_graphs import reads_padding

# How open_clip cleans texts before it tokenises them, by the names of its functions.
_CLEANING = {
    "_clean_whitespace": "whitespace",
    "_clean_lower": "lower",
    "_clean_canonicalize": "canonicalize",
}
# What open_clip takes for words: contractions, letters, single digits, other signs.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def save_tokenizer(encoder: SentenceTransformer, path: Path) -> dict[str, Any]:
    """Write `tokenizer.json`, which cuts and pads texts as the encoder does.

    Args:
        encoder: of texts.
        path: of the file.

    Returns:
        how texts are read: `max_tokens`; `length` that all are padded to, None where it is that of
        the longest in the batch; `clean`, what is done to a text before, None for nothing.

    Raises:
        ExportError: if the `tokenizers` library cannot express the tokenizer.
    """
    limit, own, clean, length = encoder.max_seq_length, encoder.tokenizer, None, None
    if reads_padding(encoder):
        tokenizer, clean = _of_open_clip(own)
        own, length = getattr(own, "tokenizer", own), limit
    else:
        tokenizer = _backend(own)
    if limit is not None:
        side = getattr(own, "truncation_side", "right")
        tokenizer.enable_truncation(max_length=limit, direction=side)
    # open_clip's own tokenizer pads with token 0, and has no name for it.
    pad = getattr(own, "pad_token_id", None) or 0
    tokenizer.enable_padding(
        direction=getattr(own, "padding_side", "right"),
        pad_id=pad,
        pad_type_id=getattr(own, "pad_token_type_id", 0),
        pad_token=tokenizer.id_to_token(pad) or "",
        length=length,
    )
    tokenizer.save(str(path))
    return {"max_tokens": limit, "length": length, "clean": clean}


def _backend(tokenizer: Any) -> Tokenizer:
    """A copy of what a tokenizer of transformers works with."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise _unknown(tokenizer)
    copied: Tokenizer = Tokenizer.from_str(backend.to_str())
    return copied


def _of_open_clip(tokenizer: Any) -> tuple[Tokenizer, str]:
    """The tokenizer of an open_clip model, and the cleaning that goes before it."""
    clean = _CLEANING.get(getattr(tokenizer.clean_fn, "__name__", ""))
    wrapped = getattr(tokenizer, "tokenizer", None)
    special = (
        getattr(tokenizer, "tokenizer_mode", "")
        or getattr(tokenizer, "strip_sep_token", False)
        or getattr(tokenizer, "reduction_fn", None)
    )
    if clean is None or special:
        raise _unknown(tokenizer)
    if wrapped is not None:
        return _backend(wrapped), clean
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    made = Tokenizer(models.BPE(vocab=tokenizer.encoder, merges=merges, end_of_word_suffix="</w>"))
    if clean != "whitespace":
        made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    begin, end = (
        tokenizer.decoder[id_] for id_ in (tokenizer.sot_token_id, tokenizer.eot_token_id)
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    return made, clean


def _unknown(tokenizer: Any) -> ExportError:
    return ExportError(
        f"a tokenizer of the class {type(tokenizer).__name__}",
        expected="one that the tokenizers library can express",
        remedy="Serve this encoder with torch, or save it with a fast tokenizer.",
    )
