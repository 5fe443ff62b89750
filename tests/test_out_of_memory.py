"""A lack of memory, and what is none."""

from __future__ import annotations

import pytest
import torch

from beekit.out_of_memory import is_out_of_memory


def test_what_torch_raises_on_a_cpu_is_one():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.int8)  # more than any machine has
    assert is_out_of_memory(caught.value)


def test_errors_made_for_it_are_some_and_others_are_none():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
