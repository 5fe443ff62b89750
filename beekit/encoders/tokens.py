"""Texts of a catalog, tokenised once; padded only as far as the items at hand need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router

from beekit.encoders.inputs import ItemInputs
from beekit.encoders.prompts import item_prompt
from beekit.encoders.same_as_encode import require_same_as_encode
from beekit.errors import EncoderError

# Texts tokenised at once.
_CHUNK = 512
# Numbers of an embedding without weights that cost about as much as a token.
_NUMBERS_A_TOKEN = 64
# What a tokenizer may raise.
_FAILURES = (ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError)


class ItemTokens(ItemInputs):
    """The token sequences of every item, kept as flat arrays (4 bytes a token and key).

    Built through the encoder's own `preprocess`, so whatever it adds to a text is here too, the
    prompt of items included. Identical texts are stored once. Encoders of token sequences get them
    padded; those of bags of tokens (`StaticEmbedding`) one after the other; what an encoder makes
    of whole texts (`BoW`) is kept as it is.

    Args:
        encoder: its input module reads the texts.
        texts: (items,) one text an item, in item order.
        prompt: before every text; without it what plain `encode` of this encoder puts there.

    Raises:
        EncoderError: if there are no texts, if one is no text, if the encoder cannot tokenise or
            embed them, or if its embedding of a text depends on the texts beside it.
    """

    def __init__(
        self, encoder: SentenceTransformer, texts: Sequence[str], prompt: str | None = None
    ) -> None:
        prompt = item_prompt(encoder) if prompt is None else prompt
        first_seen: dict[str, int] = {}
        self.distinct_of = np.array(
            [first_seen.setdefault(text, len(first_seen)) for text in _checked(texts)],
            dtype=np.int64,
        )
        distinct = list(first_seen)
        by_size = sorted(range(len(distinct)), key=lambda position: len(distinct[position]))
        lengths = np.zeros(len(distinct), dtype=np.int64)
        flat: dict[str, list[np.ndarray]] = {}
        rows: dict[str, list[np.ndarray]] = {}
        self._constants: dict[str, Any] = {}
        self._padded, self._left, self._pad = True, *_padding(encoder)
        for begin in range(0, len(distinct), _CHUNK):
            members = by_size[begin : begin + _CHUNK]
            read = _tokenised(encoder, [distinct[position] for position in members], prompt)
            mask = read.get("attention_mask")
            if mask is not None and mask.ndim == 2:
                present = mask.bool().numpy()
                self._see_padding(read, present)
                lengths[members] = present.sum(axis=1)
                tokens = {k: v.numpy()[present] for k, v in _shaped(read, mask.shape).items()}
            elif "offsets" in read and read["input_ids"].ndim == 1:
                self._padded, tokens = False, {"input_ids": read.pop("input_ids").numpy()}
                ends = np.append(read.pop("offsets").numpy(), len(tokens["input_ids"]))
                lengths[members] = np.diff(ends)
            else:
                tokens = {}
            for key, value in tokens.items():
                flat.setdefault(key, []).append(value.astype(np.int32))
                read.pop(key, None)
            for key, value in read.items():
                if not isinstance(value, torch.Tensor):
                    self._constants[key] = value
                elif value.ndim and len(value) == len(members):
                    rows.setdefault(key, []).append(value.numpy())
                else:
                    raise _not_by_text(read)
        if not flat and not rows:
            raise _not_by_text(self._constants)
        # Flat arrays are in the order the sequences were tokenised; offsets are by sequence.
        starts = np.zeros(len(distinct), dtype=np.int64)
        starts[by_size] = np.concatenate([[0], np.cumsum(lengths[by_size])[:-1]])
        self._starts = starts
        self._flat = {key: np.concatenate(chunks) for key, chunks in flat.items()}
        place = np.argsort(by_size)
        self._rows = {key: np.concatenate(chunks)[place] for key, chunks in rows.items()}
        self._lengths = self.distinct_sizes = lengths
        if not flat:
            numbers = sum(value[0].size for value in self._rows.values())
            self.distinct_sizes = np.full(len(distinct), 1 + numbers // _NUMBERS_A_TOKEN)
        require_same_as_encode(encoder, self, distinct, prompt)

    def _see_padding(self, read: Mapping[str, Any], present: np.ndarray) -> None:
        """Note on which side texts were padded here, and with what."""
        padded = np.argwhere(~present)
        if len(padded) and present.any():
            row, column = padded[0]
            self._left = bool(present[row, column:].any())
            for key, value in _shaped(read, present.shape).items():
                self._pad[key] = int(value[row, column])

    def distinct_features(self, positions: np.ndarray) -> dict[str, Any]:
        """What the encoder's forward takes: tensors (positions, tokens) int64, padded to the
        longest, or tokens of all texts in one row with their `offsets`; and constants."""
        lengths = self._lengths[positions]
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1]) + np.repeat(self._starts[positions] - (ends - lengths), lengths)
        features = dict(self._constants)
        if not self._padded:
            features["input_ids"] = torch.from_numpy(self._flat["input_ids"][flat].astype(np.int64))
            features["offsets"] = torch.from_numpy(ends - lengths)
        elif self._flat:
            longest = max(1, int(lengths.max()))
            place, sizes = np.arange(longest), lengths[:, None]
            present = place >= longest - sizes if self._left else place < sizes
            for key, tokens in self._flat.items():
                padded = np.full(present.shape, self._pad.get(key, 0), dtype=np.int64)
                padded[present] = tokens[flat]
                features[key] = torch.from_numpy(padded)
        for key, values in self._rows.items():
            features[key] = torch.from_numpy(values[positions])
        return features

    def joined(self, other: Self) -> Self:
        both = copy(self)
        both.distinct_of = np.concatenate(
            [self.distinct_of, other.distinct_of + len(self.distinct_sizes)]
        )
        held = next((len(tokens) for tokens in self._flat.values()), 0)
        both._starts = np.concatenate([self._starts, other._starts + held])
        for name in ("distinct_sizes", "_lengths"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(both, name, np.concatenate([mine, theirs]))
        for name in ("_flat", "_rows"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(both, name, {k: np.concatenate([v, theirs[k]]) for k, v in mine.items()})
        return both

    def mini_batches(self, tokens: int) -> dict[str, Any]:
        """Mini-batches of at most so many tokens, padding not counted."""
        if self._flat and self._padded:
            return {"mini_batch_num_tokens": tokens}
        return {"mini_batch_size": max(1, tokens // max(1, int(self.distinct_sizes.max())))}


def inputs_of(encoder: SentenceTransformer, items: Sequence[str] | ItemInputs) -> ItemInputs:
    """Prepared inputs as they are, texts as `ItemTokens`."""
    prepared: Any = items
    return prepared if hasattr(items, "distinct_of") else ItemTokens(encoder, prepared)


def _checked(texts: Sequence[str]) -> list[str]:
    """The texts, each of them one."""
    given = [] if texts is None or isinstance(texts, str) else list(texts)
    if not given:
        raise EncoderError(
            "no texts", expected="a list of at least one", remedy="Pass the texts of some items."
        )
    for place, text in enumerate(given):
        found = "" if isinstance(text, str) else f"a value of type {type(text).__name__}"
        if not found and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                found = f"half a character (U+{ord(text[error.start]):04X})"
        if found:
            raise EncoderError(
                f"{found} in the text of item index {place}",
                expected="text for every item",
                remedy="Give that item a text, or leave it out.",
            )
    return given


def _tokenised(encoder: SentenceTransformer, texts: list[str], prompt: str) -> dict[str, Any]:
    """What the encoder's own `preprocess` makes of texts."""
    try:
        return dict(encoder.preprocess(texts, prompt=prompt or None))
    except EncoderError:
        raise
    except _FAILURES as error:
        tokenizer: Any = getattr(encoder, "tokenizer", None)
        if getattr(tokenizer, "pad_token", "") is None:
            raise EncoderError(
                "a tokenizer without a padding token",
                expected="one, since texts of different lengths are read together",
                remedy="Set tokenizer.pad_token = tokenizer.eos_token, save the encoder, and use "
                "that.",
            ) from error
        if isinstance(encoder[0], Router) and encoder[0].default_route is None:
            raise EncoderError(
                f"a Router with the routes {', '.join(encoder[0].sub_modules)} and no default",
                expected="a route called document, or a default one",
                remedy="Set default_route in its router_config.json.",
            ) from error
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EncoderError(
            f"the encoder does not read texts ({reason})",
            expected="one whose `encode` takes texts alone",
            remedy="Choose an encoder of texts.",
        ) from error


def _padding(encoder: SentenceTransformer) -> tuple[bool, dict[str, int]]:
    """Whether texts are padded on the left, and with what, as far as the tokenizer says."""
    tokenizer = getattr(encoder, "tokenizer", None)
    pads = {
        "input_ids": getattr(tokenizer, "pad_token_id", None) or 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
    }
    return getattr(tokenizer, "padding_side", "right") == "left", pads


def _shaped(read: Mapping[str, Any], shape: Any) -> dict[str, torch.Tensor]:
    return {
        key: value
        for key, value in read.items()
        if isinstance(value, torch.Tensor) and tuple(value.shape) == tuple(shape)
    }


def _not_by_text(read: Mapping[str, Any]) -> EncoderError:
    return EncoderError(
        f"the encoder turns texts into {', '.join(read) or 'nothing'}",
        expected="token sequences with an attention_mask, or one row for each text",
        remedy="Choose an encoder of texts that sentence-transformers brings along.",
    )
