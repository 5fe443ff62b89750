"""Fine-tuning: the ELSA loss, what a step sees, the Trainer and its arguments."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.training.arguments import BeeFormerTrainingArguments
    from beekit.training.loss import ELSALoss, elsa_loss
    from beekit.training.trainer import BeeFormerTrainer
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        arguments="BeeFormerTrainingArguments",
        loss="ELSALoss elsa_loss",
        trainer="BeeFormerTrainer",
    )

__all__ = ["BeeFormerTrainer", "BeeFormerTrainingArguments", "ELSALoss", "elsa_loss"]
