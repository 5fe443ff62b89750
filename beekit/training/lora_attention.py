"""LoRA in torch's attention, leaving the frozen weights exactly as they are."""

from __future__ import annotations

from typing import Any

from peft.tuners.lora.layer import MultiheadAttention


class AttentionAdapter(MultiheadAttention):
    """PEFT's adapter of `nn.MultiheadAttention`, with another way of putting weights in and out.

    That module has no linear layers to hook onto, so PEFT adds the update to its weights before
    each pass and subtracts it after. Subtracting rounds: frozen weights would drift, and a resumed
    training end elsewhere. The output projection also gets its update twice there (PEFT 0.21),
    while its gradient is that of one. Here the frozen parameters are put aside for the pass and
    put back.
    """

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        if self.merged:
            return
        attention: Any = self.get_base_layer()
        (name,), output = self.active_adapters, attention.out_proj
        linear = output.get_base_layer()
        self._aside = (attention.in_proj_weight, linear.weight)
        projections = self._aside[0] + self.get_delta_weight(name)
        projected = self._aside[1] + output.get_delta_weight(name)
        # Plain tensors in place of the parameters, so that gradients reach the adapters.
        del attention.in_proj_weight, linear.weight
        attention.in_proj_weight, linear.weight = projections, projected
        self.merged_adapters.append(name)

    def unmerge(self) -> None:
        attention: Any = self.get_base_layer()
        linear = attention.out_proj.get_base_layer()
        del attention.in_proj_weight, linear.weight
        attention.in_proj_weight, linear.weight = self._aside
        del self._aside
        self.merged_adapters.clear()

    def unload_and_optionally_merge_module(self, *args: Any, **kwargs: Any) -> Any:
        """The plain attention, its weights parameters again."""
        plain = super().unload_and_optionally_merge_module(*args, **kwargs)
        self.__dict__.pop("_aside", None)
        return plain
