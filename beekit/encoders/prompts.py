"""The prompt that an encoder reads before the text of every item."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router

# Names of the prompts for documents, in the order in which `encode_document` looks for them.
_OF_DOCUMENTS = ("document", "passage", "corpus")
_DOCUMENT = _OF_DOCUMENTS[0]


def item_prompt(encoder: SentenceTransformer) -> str:
    """What `encode` puts before a text when it is given no prompt; "" for nothing."""
    name = encoder.default_prompt_name
    return "" if name is None else str(encoder.prompts.get(name) or "")


def settle_prompt(encoder: SentenceTransformer, prompt: str | None = None) -> None:
    """Have plain `encode` read items as documents, in place; a saved encoder keeps it.

    Items get `prompt`; without it the encoder's prompt for documents, and if it has none, its
    default prompt. From then on `encode` and `encode_document` give the same for a text. Of an
    encoder with routes (`Router`), the one for documents becomes the default in the same way.
    """
    if isinstance(encoder[0], Router) and _DOCUMENT in encoder[0].sub_modules:
        encoder[0].default_route = _DOCUMENT
    replaced = {_DOCUMENT}
    if prompt is not None:  # under every name, or a saved encoder would go back to another one
        replaced.update(name for name in _OF_DOCUMENTS if name in encoder.prompts)
    else:
        named = (encoder.prompts.get(name) for name in _OF_DOCUMENTS)
        prompt = next((one for one in named if one), item_prompt(encoder))
    had = any(encoder.prompts.get(name) for name in replaced)
    if prompt or encoder.default_prompt_name is not None or had:
        encoder.prompts.update(dict.fromkeys(replaced, prompt))
        encoder.default_prompt_name = _DOCUMENT if prompt else None
