"""Loading an encoder: any `SentenceTransformer`, or a model of transformers or open_clip."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import load_file_path

from beekit.encoders.pooling import family_pooling, set_pooling
from beekit.errors import EncoderError

_OPEN_CLIP = "open_clip:"


def load_encoder(
    name_or_path: str | Path,
    *,
    pooling: str | None = None,
    max_seq_length: int | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """The encoder saved in a folder, or published under a name.

    Args:
        name_or_path: a folder in SentenceTransformer format, or of a model of transformers;
            `user/name` of either on the Hub; or `open_clip:ARCHITECTURE/TAG`, where the tag is one
            of open_clip's or the path of a checkpoint.
        pooling: "cls", "mean" or "max" of token embeddings. Without it, what the folder says;
            vision models in folders of transformers, which say nothing, by `family_pooling`.
        max_seq_length: texts are cut after so many tokens; the encoder's own limit without it.
        device: "cpu", "cuda", ...; the best there is without it.
        trust_remote_code: run code that the model's repository brings along.

    Raises:
        EncoderError: if nothing can be loaded under that name, or if the encoder cannot take
            `pooling` or `max_seq_length`.
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
            plain = load_file_path(name, "modules.json") is None
        except (
            *(OSError, ValueError, RuntimeError, KeyError, TypeError),
            *(AttributeError, SafetensorError),  # the first where JSON holds another kind of value
        ) as error:
            reason = next(iter(str(error).strip().splitlines()), repr(error))
            raise EncoderError(
                f"cannot load the encoder {name!r} ({reason})",
                expected="a folder in SentenceTransformer format or a model name on the Hub",
                remedy="Check the path or name, and the connection if it is a name.",
            ) from error
        pooling = pooling or (family_pooling(encoder) if plain else None)
    if pooling is not None:
        set_pooling(encoder, pooling)
    if max_seq_length is not None:
        _limit(encoder, name, max_seq_length)
    return encoder


def _limit(encoder: SentenceTransformer, name: str, length: int) -> None:
    """Cut texts after so many tokens."""
    if "text" not in encoder.modalities:
        raise EncoderError(
            f"max_seq_length={length} for {name!r}, which reads {', '.join(encoder.modalities)}",
            expected="an encoder of texts",
            remedy="Leave max_seq_length out.",
        )
    own = encoder.max_seq_length
    if length < 3 or (own is not None and length > own):
        raise EncoderError(
            f"max_seq_length={length} for {name!r}",
            expected=f"3 to {own}, the encoder's own limit" if own else "at least 3",
            remedy="Choose a length in that range, or leave it out.",
        )
    encoder.max_seq_length = length
