"""A training step through the Trainer, and the same by autograd in one pass."""

from __future__ import annotations

import torch
from sentence_transformers.base.losses import gradcache
from torch.nn import functional

from beekit.encoders import ItemTokens
from beekit.training import BeeFormerTrainer, BeeFormerTrainingArguments, elsa_loss


def trainer_for(encoder, dataset, tmp_path, items=None, **arguments) -> BeeFormerTrainer:
    args = BeeFormerTrainingArguments(
        output_dir=str(tmp_path),
        users_per_step=40,
        items_per_step=60,
        max_steps=1,
        disable_tqdm=True,
        **arguments,
    )
    inputs = items or ItemTokens(encoder, dataset.catalog.texts)
    return BeeFormerTrainer(encoder, args, interactions=dataset.interactions.matrix, items=inputs)


def gradients(encoder) -> torch.Tensor:
    taken = [p.grad.flatten() for p in encoder.parameters() if p.grad is not None]
    encoder.zero_grad()
    return torch.cat(taken)


def both_ways(encoder, dataset, tmp_path, **arguments) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient of one step through the Trainer, and by one-pass autograd, same masks."""
    trainer = trainer_for(encoder, dataset, tmp_path, **arguments)
    batch = next(iter(trainer.get_train_dataloader()))
    encoder.train()
    torch.manual_seed(3)
    trainer.compute_loss(encoder, dict(batch)).backward()
    two_passes = gradients(encoder)

    encoder.train(arguments["dropout"])
    torch.manual_seed(3)
    (features,), labels = trainer.collect_features(dict(batch))
    loss = trainer.loss
    ranges = gradcache._minibatch_ranges(features, loss.mini_batch_size, loss.mini_batch_num_tokens)
    embeddings = [
        encoder(gradcache._create_minibatch(features, begin, end))["sentence_embedding"]
        for begin, end in ranges
    ]
    A = functional.normalize(torch.cat(embeddings), dim=-1)
    elsa_loss(A, labels.to(A.dtype)).mean().backward()
    return two_passes, gradients(encoder)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
