"""Adapters that an encoder's folder brings along (PEFT), merged into its weights."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer
from torch import nn

from beekit.errors import EncoderError


def merge_adapters(encoder: SentenceTransformer) -> bool:
    """Add the adapters of a folder of PEFT to the weights they adapt, in place, and train all.

    The encoder is then plain: it saves whole, without the folder of the model that was adapted.

    Returns:
        whether there were any.

    Raises:
        EncoderError: if adapters are of a kind that cannot be added to weights.
    """
    models = [m for m in encoder.modules() if getattr(m, "_hf_peft_config_loaded", False)]
    for model in models:
        _merge(model)
    return bool(models)


def _merge(model: Any) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            try:
                layer.merge()
            except (NotImplementedError, ValueError, AttributeError) as error:
                kind = type(layer).__name__
                raise EncoderError(
                    f"adapters of the kind {kind}, which cannot be merged ({error})",
                    expected="adapters that can be added to the weights, such as LoRA's",
                    remedy="Merge them with PEFT, and save the encoder without adapters.",
                ) from error
            _replace(model, name, layer.get_base_layer())
        elif isinstance(layer, ModulesToSaveWrapper):
            _replace(model, name, layer.modules_to_save[layer.active_adapters[0]])
    del model.peft_config
    # Loading adapters left the names of their weights here, by which a saved model's are renamed.
    vars(model).pop("_weight_conversions", None)
    model._hf_peft_config_loaded = False
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _replace(model: nn.Module, name: str, by: nn.Module) -> None:
    above, _, last = name.rpartition(".")
    setattr(model.get_submodule(above), last, by)
