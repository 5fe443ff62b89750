"""`bf16: auto` times the encoder itself and believes the clock."""

from __future__ import annotations

import time

import pytest
import torch

from beekit.encoders import ItemTokens
from beekit.training.precision import bf16_pays


@pytest.mark.parametrize(("slow_in_bf16", "expected"), [(True, False), (False, True)])
def test_the_faster_precision_wins(encoder, shop_dataset, slow_in_bf16, expected):
    tokens = ItemTokens(encoder, shop_dataset.catalog.texts)

    def wait(*_):
        if torch.is_autocast_enabled("cpu") == slow_in_bf16:
            time.sleep(0.3)

    encoder.train()
    encoder.register_forward_pre_hook(wait)
    assert bf16_pays(encoder, tokens, 2048) is expected
    assert encoder.training
    assert all(p.grad is None for p in encoder.parameters())
