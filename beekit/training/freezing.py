"""What of an encoder is trained: all of it, its last layers, or adapters beside its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Module as EncoderModule
from torch import Tensor, nn
from transformers import PreTrainedModel

from beekit.encoders.inputs import to_device
from beekit.errors import ConfigError, EncoderError
from beekit.training.lora import Adapters, attach_adapters


class Trained(NamedTuple):
    """What a training moves: how many numbers, and the adapters attached, if any."""

    parameters: int
    adapters: Adapters | None = None


@contextmanager
def trained_part(
    encoder: SentenceTransformer,
    sample: Mapping[str, Any],
    *,
    last_layers: int | None = None,
    lora: int | None = None,
    seed: int = 0,
) -> Iterator[Trained]:
    """Within it, only the part asked for requires gradients; what is frozen already stays frozen.

    With `last_layers`, these are the last so many transformer blocks of every tower and whatever
    comes after the blocks: norms, poolers, projections, further modules. What comes after is read
    off the graph of the embeddings of `sample`: parameters that embeddings depend on and no
    block's output does. A tower of fewer blocks has all its blocks trained; a tower that the
    sample does not pass through, and a parameter that the embedding does not depend on, are left
    as they are. With `lora`, these are adapters in the blocks (the last of them, if both are
    given) and nothing else. On leaving, adapters are merged into the weights and every parameter
    requires gradients as it did.

    Args:
        sample: features of a few items.
        lora: rank of the adapters.
        seed: of their first values.
    """
    if last_layers is None and lora is None:
        require_trainable(encoder)
        yield Trained(_count(encoder))
        return
    stacks, after = _after_blocks(encoder, block_stacks(encoder), sample)
    _require_layers(stacks, last_layers)
    last = max(map(len, stacks)) if last_layers is None else last_layers
    chosen = [block for stack in stacks for block in stack[max(0, len(stack) - last) :]]
    required = {name: p.requires_grad for name, p in encoder.named_parameters()}
    adapters = None
    try:
        if lora is not None:
            adapters = attach_adapters(encoder, chosen, lora, seed)
        else:
            kept = after | {id(p) for block in chosen for p in block.parameters()}
            for parameter in encoder.parameters():
                if id(parameter) not in kept:
                    parameter.requires_grad_(False)
        if not _count(encoder):
            raise ConfigError(
                f"last_layers={last_layers}, which leaves nothing to train",
                expected="parameters after the transformer blocks, or blocks to train",
                remedy="Set last_layers=1 or more.",
            )
        yield Trained(_count(encoder), adapters)
    finally:
        if adapters is not None:
            adapters.merge()
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(required[name])


def require_trainable(encoder: nn.Module) -> None:
    """Raises EncoderError if an encoder has no parameter that may be trained."""
    if not _count(encoder):
        raise EncoderError(
            "an encoder without a parameter to train",
            expected="some that are not frozen",
            remedy="Choose another encoder, of WordEmbeddings one saved with update_embeddings.",
        )


def require_blocks(
    encoder: SentenceTransformer,
    sample: Mapping[str, Any],
    *,
    last_layers: int | None = None,
    lora: int | None = None,
) -> None:
    """Refuse an encoder without the blocks that `trained_part` would train, before it is needed."""
    if lora is None:
        with trained_part(encoder, sample, last_layers=last_layers):
            return
    stacks, _ = _after_blocks(encoder, block_stacks(encoder), sample)
    _require_layers(stacks, last_layers)


def block_stacks(encoder: nn.Module) -> list[list[nn.Module]]:
    """The transformer blocks of each tower, in the order they run.

    A stack is an outermost list of modules, all of one class and each with attention inside, that
    are not models of their own. Attention is told by the name of its class, which every
    implementation known to us bears. Of a model in stages, such as Swin, a stage is a block.
    """
    stacks: list[list[nn.Module]] = []
    seen: set[int] = set()

    def visit(module: nn.Module) -> None:
        if id(module) in seen:
            return
        seen.add(id(module))
        children = list(module.children())
        if _is_stack(module, children):
            stacks.append(children)
            return
        for child in children:
            visit(child)

    visit(encoder)
    return stacks


def _is_stack(module: nn.Module, children: list[nn.Module]) -> bool:
    return (
        isinstance(module, nn.ModuleList | nn.Sequential)
        and not isinstance(module, SentenceTransformer)
        and len({type(child) for child in children}) == 1
        and not isinstance(children[0], SentenceTransformer | EncoderModule | PreTrainedModel)
        and all(
            any("attention" in type(part).__name__.lower() for part in child.modules())
            for child in children
        )
    )


def _after_blocks(
    encoder: SentenceTransformer, stacks: list[list[nn.Module]], sample: Mapping[str, Any]
) -> tuple[list[list[nn.Module]], set[int]]:
    """The stacks that the sample passes through, and ids of parameters used only after them."""
    given: dict[int, Any] = {}
    hooks = [
        stack[-1].register_forward_hook(
            lambda _module, _inputs, output, place=place: given.update({place: output})
        )
        for place, stack in enumerate(stacks)
    ]
    training = encoder.training
    encoder.eval()
    try:
        with torch.enable_grad():
            embedding = encoder(to_device(dict(sample), encoder.device))["sentence_embedding"]
    finally:
        encoder.train(training)
        for hook in hooks:
            hook.remove()
    before = _leaves(tensor for output in given.values() for tensor in _tensors(output))
    return [stacks[place] for place in sorted(given)], _leaves([embedding]) - before


def _leaves(tensors: Iterable[Tensor]) -> set[int]:
    """Ids of the parameters that these depend on."""
    waiting: list[Any] = [tensor.grad_fn for tensor in tensors]
    seen: set[Any] = {None}
    while waiting:
        if (node := waiting.pop()) not in seen:
            seen.add(node)
            waiting.extend(following for following, _ in node.next_functions)
    return {id(node.variable) for node in seen if hasattr(node, "variable")}


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output
    return [part for part in parts if isinstance(part, Tensor)]


def _require_layers(stacks: list[list[nn.Module]], last_layers: int | None) -> None:
    if not stacks:
        raise EncoderError(
            "the encoder has no stack of transformer blocks",
            expected="one, for last_layers and lora to choose from",
            remedy="Leave both out, which trains all of the encoder.",
        )
    deepest = max(map(len, stacks))
    if last_layers is not None and last_layers > deepest:
        raise ConfigError(
            f"last_layers={last_layers} for an encoder of {deepest} transformer blocks",
            expected=f"0 to {deepest}",
            remedy="Set fewer, or leave last_layers out to train embeddings too.",
        )


def _count(encoder: nn.Module) -> int:
    return sum(p.numel() for p in encoder.parameters() if p.requires_grad)
