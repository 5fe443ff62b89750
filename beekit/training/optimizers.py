"""Names of optimizers, the package that each needs, and the arguments that it reads."""

from __future__ import annotations

from typing import NamedTuple


class Optimizer(NamedTuple):
    """What an optimizer needs, and which arguments of the Trainer change it.

    `args` are the names that it reads of `optim_args`, None where beekit does not know them.
    """

    package: str | None = None
    betas: bool = True
    epsilon: bool = True
    args: tuple[str, ...] | None = ()
    targets: bool = False  # whether it takes optim_target_modules


def _of(package: str, *names: str, **reads: bool) -> dict[str, Optimizer]:
    return dict.fromkeys(names, Optimizer(package, args=None, **reads))


_NEITHER = {"betas": False, "epsilon": False}
_LOW_RANK = {**_NEITHER, "targets": True}

OPTIMIZERS: dict[str, Optimizer] = {
    "adamw_torch": Optimizer(),
    "adamw_torch_fused": Optimizer(),
    "adafactor": Optimizer(betas=False, epsilon=False),
    "sgd": Optimizer(betas=False, epsilon=False, args=("momentum", "dampening", "nesterov")),
    "adagrad": Optimizer(betas=False, epsilon=False, args=("lr_decay", "eps")),
    "rmsprop": Optimizer(betas=False, epsilon=False, args=("momentum", "alpha", "eps", "centered")),
    **_of("torch_xla", "adamw_torch_xla"),
    **_of("torch_npu", "adamw_torch_npu_fused"),
    **_of("torchdistx", "adamw_anyprecision"),
    **_of("torchao", "adamw_torch_4bit", "adamw_torch_8bit"),
    **_of("bitsandbytes", "adamw_bnb_8bit", "adamw_8bit", "paged_adamw_32bit", "paged_adamw_8bit"),
    **_of("bitsandbytes", "ademamix", "ademamix_8bit", "paged_ademamix_32bit"),
    **_of("bitsandbytes", "paged_ademamix_8bit"),
    **_of("bitsandbytes", "lion_8bit", "lion_32bit", "paged_lion_32bit", epsilon=False),
    **_of("bitsandbytes", "paged_lion_8bit", epsilon=False),
    **_of("bitsandbytes", "rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", **_NEITHER),
    **_of("galore_torch", "galore_adamw", "galore_adamw_8bit", "galore_adafactor", **_LOW_RANK),
    **_of("apollo_torch", "apollo_adamw", targets=True),
    **_of("grokadamw", "grokadamw", **_NEITHER),
    **_of("schedulefree", "schedule_free_radam", "schedule_free_adamw"),
    **_of("schedulefree", "schedule_free_sgd", **_NEITHER),
    **_of("optimi", "stable_adamw"),
}
"""What may stand in `optim`."""

BY_LAYER = (
    *("galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise"),
    *("apollo_adamw_layerwise", "lomo", "adalomo"),
)
"""Optimizers that move a layer as soon as it has a gradient. A step here adds up the gradients of
many mini-batches before anything moves."""
