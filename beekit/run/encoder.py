"""The encoder a configuration asks for: of texts, of pictures, or of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders import fuse, load_encoder
from beekit.encoders.prompts import settle_prompt
from beekit.encoders.text_image import reads_both
from beekit.errors import ConfigError
from beekit.run.comparison import Comparison, Entry
from beekit.run.config import Config
from beekit.run_folder import RunFolder
from beekit.training import BeeFormerTrainingArguments
from beekit.training.freezing import require_trainable


def encoder_to_train(config: Config) -> SentenceTransformer:
    """The encoder of a run, joined from two where items have text and picture.

    Raises:
        ConfigError: if an encoder does not read what the configuration names, or if `image_encoder`
            or `fusion` is set and has no use.
        EncoderError: if an encoder cannot be loaded, if the two do not fit together, or if there is
            nothing to train.
    """
    datasets = config.datasets()
    texts = any(one.text is not None or one.image is None for one in datasets)
    pictures = any(one.image is not None for one in datasets)
    encoder = load_encoder(
        config.encoder,
        pooling=config.pooling,
        max_seq_length=config.max_seq_length,
        prompt=config.prompt,
        trust_remote_code=config.trust_remote_code,
    )
    joins = config.image_encoder is not None or config.fusion is not None
    if joins and (not (texts and pictures) or reads_both(encoder)):
        raise ConfigError(
            f"image_encoder={config.image_encoder}, fusion={config.fusion}",
            expected="a text encoder, and items with both text and image",
            remedy="Name `text` and `image`, or remove those keys.",
        )
    if texts and pictures:
        encoder = _of_both(config, encoder)
    else:
        _require_reads(encoder, config.encoder, texts, pictures)
    require_trainable(encoder)
    return encoder


def run_encoder(
    folder: RunFolder, config: Config | Comparison, device: str | None = None
) -> SentenceTransformer:
    """The encoder of a finished run, reading items as it did in its training.

    Runs of versions that noted no `dtypes` read neither the prompts nor the `truncate_dim` of their
    encoders, and their results and index are without.
    """
    trust = config.trust_remote_code
    training: Any = {}
    if folder.whole.results.is_file():
        training = folder.whole.read_results().get("training") or {}
    if not training or "dtypes" in training:
        return load_encoder(folder.model, device=device, trust_remote_code=trust)
    encoder = load_encoder(folder.model, prompt="", device=device, trust_remote_code=trust)
    encoder.truncate_dim = None
    return encoder


def encoder_to_compare(config: Comparison, entry: Entry, dataset: Dataset) -> SentenceTransformer:
    """An encoder of a comparison; one that reads text and picture apart adds up the two."""
    name = str(entry.encoder)
    if entry.run is not None:
        encoder = run_encoder(RunFolder(Path(entry.run)), config)
    else:
        trust, limit = config.trust_remote_code, config.max_seq_length
        encoder = load_encoder(name, max_seq_length=limit, trust_remote_code=trust)
    if entry.run is None and config.prompt is not None and encoder.supports("text"):
        settle_prompt(encoder, config.prompt)
    texts, pictures = dataset.catalog.text is not None, dataset.catalog.images is not None
    _require_reads(encoder, name, texts, pictures)
    both = texts and pictures
    if both and encoder.supports("text") and encoder.supports("image") and not reads_both(encoder):
        return fuse(encoder, encoder, "mean")
    return encoder


def _require_reads(encoder: SentenceTransformer, name: str, texts: bool, pictures: bool) -> None:
    """Refuse an encoder that reads nothing of what items have."""
    if (texts and encoder.supports("text")) or (pictures and encoder.supports("image")):
        return
    wanted = " or ".join(["text"] * texts + ["image"] * pictures)
    found = f"encoder={name}, which reads {', '.join(map(str, encoder.modalities))}"
    remedy = f"Choose one, or name what it reads: `{'text' if pictures else 'image'}`."
    raise ConfigError(found, expected=f"an encoder of {wanted}", remedy=remedy)


def _of_both(config: Config, encoder: SentenceTransformer) -> SentenceTransformer:
    if reads_both(encoder):
        return encoder
    seed = int(config.training.get("seed", BeeFormerTrainingArguments.seed) or 0)
    if config.image_encoder is not None:
        image = load_encoder(config.image_encoder, trust_remote_code=config.trust_remote_code)
        return fuse(encoder, image, config.fusion or "concat", seed=seed)
    if encoder.supports("text") and encoder.supports("image"):
        return fuse(encoder, encoder, config.fusion or "mean", seed=seed)
    raise ConfigError(
        f"text, image, and encoder={config.encoder}, which reads "
        f"{', '.join(map(str, encoder.modalities))}",
        expected="an encoder of both, or one of each",
        remedy="Add image_encoder: NAME, with an image encoder.",
    )
