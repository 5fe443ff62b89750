"""Low-rank adapters (LoRA) in the blocks of an encoder, through PEFT."""

from __future__ import annotations

import copy
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn

from beekit.errors import ConfigError, EncoderError

# The scale of an update is _ALPHA whatever the rank.
_ALPHA = 2
_FILE = "adapters.safetensors"
_HELD = "encoder"


class Adapters:
    """The adapters of an encoder: each weight W becomes W + 2 B A, of which A and B are trained.

    Hu et al., LoRA, ICLR 2022, with α twice the rank. B starts at zero, so the encoder starts as
    it was.

    Args:
        tuner: PEFT's, on a dictionary that holds the encoder.
    """

    def __init__(self, tuner: Any) -> None:
        self._tuner = tuner

    def merge(self) -> None:
        """Add them to the weights and leave the encoder as plain as it was, for good."""
        self._tuner.merge_and_unload()

    def merged(self) -> SentenceTransformer:
        """A plain copy of the encoder with the adapters in its weights."""
        copied = copy.deepcopy(self._tuner)
        return copied.merge_and_unload()[_HELD]

    def save(self, folder: str | Path) -> None:
        """Write them, apart from the weights, into a checkpoint's folder."""
        weights = {name: p.detach().contiguous() for name, p in self._weights().items()}
        save_file(weights, Path(folder) / _FILE)

    def load(self, folder: str | Path) -> None:
        """Take the values saved in a checkpoint's folder, of the same layers and rank."""
        path, own = Path(folder) / _FILE, self._weights()
        saved = load_file(path) if path.is_file() else {}
        if {name: p.shape for name, p in own.items()} != {n: t.shape for n, t in saved.items()}:
            raise ConfigError(
                f"a checkpoint in {folder} with {len(saved)} matrices of adapters",
                expected=f"the {len(own)} of this training, of the same shapes",
                remedy="Resume with the lora and last_layers it was saved with, or start afresh.",
            )
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(saved[name])

    def _weights(self) -> dict[str, Tensor]:
        return {name: p for name, p in self._tuner.model.named_parameters() if p.requires_grad}


def attach_adapters(
    encoder: SentenceTransformer, blocks: Iterable[nn.Module], rank: int, seed: int
) -> Adapters:
    """Adapters on all linear layers of these blocks, the projections of attention among them.

    Of `nn.MultiheadAttention` that is the stacked projection of queries, keys and values, as one
    matrix, and the output's; one whose keys or values have other dimensions than its queries is
    left out. Everything but the adapters is frozen.
    """
    require_peft()
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    from beekit.training.lora_attention import AttentionAdapter

    if any(isinstance(module, BaseTunerLayer) for module in encoder.modules()):
        raise EncoderError(
            "the encoder has adapters already, and lora asks for more",
            expected="one kind of adapters",
            remedy="Leave lora out to train those it has, or merge them first.",
        )
    adaptable = _adaptable(blocks)
    # Where PEFT looks for a model's configuration, an encoder may have something else.
    held = nn.ModuleDict({_HELD: encoder})
    targets = [name for name, module in held.named_modules() if id(module) in adaptable]
    if not targets:
        found = "the transformer blocks have no linear layers"
        raise EncoderError(found, expected="some, for lora to adapt", remedy="Leave lora out.")
    # A pattern is matched against whole names; a list would be against their ends.
    pattern = "|".join(map(re.escape, targets))
    config = LoraConfig(r=rank, lora_alpha=_ALPHA * rank, target_modules=pattern)
    config._register_custom_module({nn.MultiheadAttention: AttentionAdapter})
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return Adapters(LoraModel(held, config, "beekit"))


def require_peft() -> None:
    """Raises ConfigError if PEFT is not installed."""
    if importlib.util.find_spec("peft") is None:
        found, remedy = "lora, without PEFT installed", "Run: pip install 'beekit[peft]'"
        raise ConfigError(found, expected="PEFT, which provides the adapters", remedy=remedy)


def _adaptable(blocks: Iterable[nn.Module]) -> set[int]:
    """Ids of the layers that take adapters; attention takes them for its own projections."""
    found: set[int] = set()
    waiting = list(blocks)
    while waiting:
        module = waiting.pop()
        if not isinstance(module, nn.MultiheadAttention | nn.Linear):
            waiting.extend(module.children())
        elif isinstance(module, nn.Linear) or module.in_proj_weight is not None:
            found.add(id(module))
    return found
