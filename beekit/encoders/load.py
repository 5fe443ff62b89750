"""Loading an encoder: any `SentenceTransformer`, from a folder or the Hub."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer

from beekit.errors import EncoderError


def load_encoder(
    name_or_path: str | Path,
    *,
    max_seq_length: int | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """The encoder saved in a folder, or published on the Hub under a name.

    Args:
        name_or_path: a folder in SentenceTransformer format, or `user/name`.
        max_seq_length: texts are cut after so many tokens; the encoder's own limit without it.
        device: "cpu", "cuda", ...; the best there is without it.
        trust_remote_code: run code that the model's repository brings along.

    Raises:
        EncoderError: nothing to load under that name, or a limit the encoder cannot take.
    """
    try:
        encoder = SentenceTransformer(
            str(name_or_path), device=device, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise EncoderError(
            f"cannot load the encoder {str(name_or_path)!r} ({reason})",
            expected="a folder in SentenceTransformer format or a model name on the Hub",
            remedy="Check the path or name, and the connection if it is a name.",
        ) from error
    if max_seq_length is not None:
        own = encoder.max_seq_length
        if max_seq_length < 3 or (own is not None and max_seq_length > own):
            raise EncoderError(
                f"max_seq_length={max_seq_length} for {str(name_or_path)!r}",
                expected=f"3 to {own}, the encoder's own limit" if own else "at least 3",
                remedy="Choose a length in that range, or leave it out.",
            )
        encoder.max_seq_length = max_seq_length
    return encoder
