"""Whether bf16 pays on this device."""

from __future__ import annotations

import logging
import time

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.encoders import ItemInputs
from beekit.encoders.inputs import by_size, features, sizes

logger = logging.getLogger(__name__)

# bf16 rounds the embeddings; it must buy at least so much speed on a CPU.
_WORTHWHILE = 1.2
# Where the first mini-batch in bf16 takes so many times as long, a second one will not help.
_HOPELESS = 4
# Tokens to time; more would only take longer.
_TIMED_TOKENS = 1024


def bf16_pays(encoder: SentenceTransformer, inputs: ItemInputs, mini_batch_tokens: int) -> bool:
    """Decide `bf16: auto`.

    On CUDA, whether the GPU computes bf16 natively. On a CPU instruction flags do not tell (the
    same flag went with 3x and with 0.5x), so the encoder itself is timed, forward and backward,
    on one mini-batch in either precision.
    """
    if encoder.device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if encoder.device.type != "cpu":
        return False
    typical = by_size(inputs, np.arange(len(inputs)))[len(inputs) // 2 :]
    size = max(1, int(sizes(inputs, typical[:1])[0]))
    count = max(1, min(mini_batch_tokens, _TIMED_TOKENS) // size)
    batch = features(inputs, typical[:count])

    def seconds(bf16: bool) -> float:
        started = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            embedding = encoder(dict(batch))["sentence_embedding"]
        embedding.float().square().sum().backward()
        encoder.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    training = encoder.training
    encoder.eval()
    # The first of each also sets up kernels; a CPU that emulates bf16 shows in the first already.
    full = min(seconds(False) for _ in range(2))
    half = seconds(True)
    if half < _HOPELESS * full:
        half = min(half, seconds(True))
    encoder.train(training)
    logger.info("bf16 auto: float32 %.2f s, bf16 %.2f s a mini-batch", full, half)
    return full > _WORTHWHILE * half
