"""Fine-tuning: the ELSA loss, what a step sees, the Trainer and its arguments."""

from beekit.training.arguments import BeeFormerTrainingArguments
from beekit.training.loss import ELSALoss, elsa_loss
from beekit.training.trainer import BeeFormerTrainer

__all__ = ["BeeFormerTrainer", "BeeFormerTrainingArguments", "ELSALoss", "elsa_loss"]
