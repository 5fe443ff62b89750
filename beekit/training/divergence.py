"""A training whose numbers are no longer finite ends where it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerState, TrainingArguments

from beekit.errors import ConfigError, EncoderError


def diverged(args: TrainingArguments, step: int, found: str) -> ConfigError:
    """The error of a step, from 1, in which something was found not to be finite."""
    precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "float32"
    lower = ", or train in float32" if precision != "float32" else ""
    return ConfigError(
        f"training diverged in step {step}: {found} (learning_rate={args.learning_rate}, "
        f"{precision})",
        expected="finite numbers",
        remedy=f"Choose a smaller learning_rate{lower}; earlier checkpoints are as they were.",
    )


class StaysFinite(TrainerCallback):
    """Ends a training once gradients or weights are not finite, before these are saved.

    With fp16 gradients overflow now and then; the Trainer's scaler leaves such steps out.
    """

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **given: Any) -> None:
        if name := _not_finite(dict(given["model"].named_parameters())):
            raise EncoderError(
                f"weights that are not finite before step {state.global_step + 1}, in {name}",
                expected="an encoder, or a checkpoint, of finite numbers",
                remedy="Load it again, or resume from a checkpoint before.",
            )

    def on_pre_optimizer_step(self, args: Any, state: TrainerState, *_: Any, **given: Any) -> None:
        named = given["model"].named_parameters()
        gradients = {n: p.grad for n, p in named if p.grad is not None}
        if not args.fp16 and (name := _not_finite(gradients)):
            raise diverged(args, state.global_step + 1, f"a gradient of {name} that is not finite")

    def on_step_end(self, args: Any, state: TrainerState, *_: Any, **given: Any) -> None:
        trained = {n: p for n, p in given["model"].named_parameters() if p.requires_grad}
        if name := _not_finite(trained):
            raise diverged(args, state.global_step, f"weights of {name} that are not finite")


@torch.no_grad()
def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The first of named tensors with numbers that are not finite; a GPU is waited for once."""
    if not tensors:
        return None
    # Of the sparse gradient of an embedding table, what is stored.
    stored = (t.coalesce().values() if t.is_sparse else t for t in tensors.values())
    each = [torch.isfinite(tensor).all() for tensor in stored]
    finite = torch.stack([one.to(each[0].device) for one in each])
    if bool(finite.all()):
        return None
    return list(tensors)[int(finite.logical_not().nonzero()[0])]
