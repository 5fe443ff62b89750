"""The Trainer: sentence-transformers' own, fed with users and items."""

from __future__ import annotations

import logging
import math
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from datasets import Dataset as TrainDataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers.base.evaluation import BaseEvaluator
from torch import nn
from torch.utils.data import DataLoader
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import TrainOutput, get_last_checkpoint, rotate_checkpoints

from beekit.encoders import ItemInputs
from beekit.encoders.inputs import features
from beekit.encoders.precision import to_float32
from beekit.errors import ConfigError
from beekit.launcher import launched_processes
from beekit.signals import Deferred, ignore_first_in_worker
from beekit.training.arguments import BeeFormerTrainingArguments
from beekit.training.batches import UserBatchSampler
from beekit.training.divergence import StaysFinite, diverged
from beekit.training.freezing import require_blocks, trained_part
from beekit.training.keys import MIXED
from beekit.training.lora import Adapters
from beekit.training.loss import ELSALoss
from beekit.training.progress import TrainingProgress
from beekit.training.read_checkpoint import (
    FindsBest,
    best_checkpoint,
    complete,
    missing_best,
    read_state,
    reading,
    require_as_written,
    require_readable,
    seconds_of,
)
from beekit.training.steps import StepCollator
from beekit.training.training_set import TrainingSet

logger = logging.getLogger(__name__)


class BeeFormerTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """Fine-tunes an encoder on interactions with the ELSA loss.

    Args:
        model: the encoder; its weights become float32.
        args: sizes of a step and the Trainer's arguments.
        interactions: (users, items) binary X to learn from; users with fewer than two interactions
            are left out. A list of such trains on several datasets at once.
        items: (items,) texts in column order, or prepared inputs; a list of those for a list of X.
        loss: what to minimise; `ELSALoss` over mini-batches of `args.mini_batch_tokens` without it.
        evaluator: called on the evaluation schedule of the arguments.
        **trainer: further arguments of `SentenceTransformerTrainer`, such as callbacks.

    Attributes:
        trained_parameters: how many numbers training moved; 0 before.

    Raises:
        DataError: if there is no dataset, if X is not a matrix of finite numbers, if texts and
            columns differ in number, or if no user of a dataset has two interactions.
        ConfigError: if the lists of interactions and items differ in length, if
            `dataloader_drop_last` would leave no batch, if a launcher started several processes
            that would not train together, if the warm-up is longer than the training, if
            `learning_rate_mapping` names no weight, or if the encoder has fewer blocks than
            `last_layers` asks for.
        EncoderError: if `last_layers` or `lora` is set and the encoder has no transformer blocks.
    """

    training_args_class = BeeFormerTrainingArguments
    model: SentenceTransformer
    optimizer: Any
    control: Any
    trained_parameters = 0
    _adapters: Adapters | None = None

    def __init__(
        self,
        model: SentenceTransformer,
        args: BeeFormerTrainingArguments,
        *,
        interactions: sp.csr_array | list[sp.csr_array],
        items: Sequence[str] | ItemInputs | Sequence[Sequence[str] | ItemInputs],
        loss: nn.Module | None = None,
        evaluator: BaseEvaluator | None = None,
        **trainer: Any,
    ) -> None:
        if launched_processes() > 1 and args.world_size == 1:
            found = f"a launcher with {launched_processes()} processes that would each train alone"
            raise ConfigError(
                found,
                expected="processes that train together",
                remedy="Set use_cpu=True where there is no GPU, or start one process.",
            )
        several = isinstance(interactions, list)
        matrices, catalogs = (interactions, items) if several else ([interactions], [items])
        if len(matrices) != len(catalogs):
            raise ConfigError(
                f"{len(matrices)} interaction matrices and {len(catalogs)} catalogs",
                expected="as many of the one as of the other",
                remedy="Pass lists of the same datasets, in one order.",
            )
        came = to_float32(model)
        if came is not None:
            logger.warning("the encoder is in %s, and is trained in float32", came)
        training_set = TrainingSet.of(model, matrices, catalogs)  # type: ignore[arg-type]
        self._training_set, users_of = training_set, training_set.users_of
        self._ending = Deferred("ending after this step, with a checkpoint")
        fewest = sum(users_of) if args.dataset_batches == MIXED else min(users_of)
        if args.dataloader_drop_last and fewest < args.users_per_step:
            raise ConfigError(
                f"dataloader_drop_last, and {fewest:,} users for steps of {args.users_per_step:,}",
                expected="at least one whole batch",
                remedy="Set a smaller users_per_step, or dataloader_drop_last=false.",
            )
        _require_warmup_within(args, users_of)
        budget = training_set.inputs.mini_batches(args.mini_batch_tokens)
        super().__init__(
            model=model,
            args=args,
            train_dataset=TrainDataset.from_dict({"user": np.arange(sum(users_of))}),
            loss=loss or ELSALoss(model, **budget),
            evaluator=evaluator,
            data_collator=StepCollator(training_set, args.items_per_step, _data_seed(args)),
            **trainer,
        )
        if not args.disable_tqdm:
            self.remove_callback(ProgressCallback)
            users = args.users_per_step * args.world_size * args.gradient_accumulation_steps
            self.add_callback(TrainingProgress(users))
        self.remove_callback(PrinterCallback)
        self.add_callback(FindsBest())
        # The first to be called: before anything is logged, evaluated or saved.
        self.callback_handler.callbacks.insert(0, StaysFinite())
        for pattern in args.learning_rate_mapping if args.lora is None else ():
            if not any(re.search(pattern, name) for name, _ in self.loss.named_parameters()):
                raise ConfigError(
                    f"learning_rate_mapping with {pattern!r}, which matches no weight",
                    expected="patterns that do",
                    remedy="Correct it; names of weights are those of encoder.named_parameters().",
                )
        require_blocks(model, self._sample(), last_layers=args.last_layers, lora=args.lora)

    def train(self, resume_from_checkpoint: str | bool | None = None, **kwargs: Any) -> Any:
        """As the Trainer's own, from a checkpoint that is whole or refused.

        A checkpoint of the last step is loaded and nothing trained: the Trainer would add a step.
        With `args.lora`, the encoder has adapters while this runs and is plain again afterwards,
        however it ends; a checkpoint holds the encoder as plain, and the adapters beside it, to be
        resumed on the encoder that training started from. SIGINT and SIGTERM end it after the step
        at hand, with a checkpoint of that step, whatever `save_strategy` is; a second signal ends
        it at once.

        Raises:
            ConfigError: if `last_layers` is more than the encoder has, if nothing is left to train,
                if `lora` is set and PEFT is missing or an optimizer was made before, if a
                checkpoint has other adapters, or if training diverges: it ends as soon as a loss,
                gradients or weights are not finite, and the last checkpoint is of a step before.
            EncoderError: if `last_layers` or `lora` is set and the encoder has no transformer
                blocks, none with a layer to adapt, or adapters already.
            RunError: if a file of the checkpoint to go on from is broken.
        """
        if self.args.lora is not None and self.optimizer is not None:
            raise ConfigError(
                "lora with an optimizer of your own",
                expected="one made by the Trainer, once there are adapters",
                remedy="Name it in the argument `optim`.",
            )
        if resume_from_checkpoint is True:
            resume_from_checkpoint = get_last_checkpoint(self.args.output_dir)
        self._started = time.perf_counter()
        if resume_from_checkpoint:
            state = read_state(str(resume_from_checkpoint))
            best = best_checkpoint(self.args, state) if self.args.load_best_model_at_end else None
            if best is not None and not Path(best).is_dir():
                raise missing_best(str(resume_from_checkpoint), best)
            for needed in {best, str(resume_from_checkpoint)} - {None}:
                require_as_written(str(needed))
            self._started -= seconds_of(str(resume_from_checkpoint))
            if state.global_step >= state.max_steps:
                self.state = state
                with self._training_part():
                    self._load_from_checkpoint(best or str(resume_from_checkpoint))
                return TrainOutput(state.global_step, float("nan"), {})
            require_readable(str(resume_from_checkpoint))
        with self._ending() as ending, self._training_part():
            trained = super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)
            ending.deliver()
            return trained

    @contextmanager
    def _training_part(self) -> Iterator[None]:
        """Within it, the encoder is prepared for training the part that the arguments name."""
        args = self.args
        chosen = {"last_layers": args.last_layers, "lora": args.lora, "seed": args.seed}
        with trained_part(self.model, self._sample(), **chosen) as part:
            self.trained_parameters, self._adapters = part.parameters, part.adapters
            try:
                yield
            finally:
                if self._adapters is not None:
                    self.optimizer = self.lr_scheduler = None  # of adapters that are no more
                self._adapters = None

    def _sample(self) -> dict[str, Any]:
        """Features of a few items."""
        return features(self._training_set.inputs, self._training_set.sample())

    def get_batch_sampler(
        self, dataset: TrainDataset, batch_size: int, drop_last: bool, **_: Any
    ) -> UserBatchSampler:
        """Users without replacement, in an order of seed and epoch."""
        users, rule = self._training_set.users_of, self.args.dataset_batches
        return UserBatchSampler(users, batch_size, drop_last, _data_seed(self.args), rule)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """As the Trainer's own, which logs a loss that is no number as zero and goes on.

        Raises:
            ConfigError: if the loss is not finite; the weights are then those before the step.
        """
        loss = super().training_step(*args, **kwargs)
        if not bool(torch.isfinite(loss).all()):
            raise diverged(self.args, self.state.global_step + 1, f"loss {float(loss.mean())}")
        return loss

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kw: Any) -> Any:
        """The loss of one step, with dropout only where the arguments ask for it."""
        if not self.args.dropout:
            model.eval()  # the Trainer switches to training mode before every step
        return super().compute_loss(model, inputs, *args, **kw)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: it draws examples from a dataset of sentences, and rows here name users."""

    def preprocess_dataset(self, dataset: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Nothing to add to rows that only name users."""
        return dataset

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """A plain model, whatever is trained; adapters also apart, to resume from."""
        if self._adapters is None or not self.args.should_save:
            super().save_model(output_dir, _internal_call)
            return
        trained, self.model = self.model, self._adapters.merged()
        try:
            super().save_model(output_dir, _internal_call)
        finally:
            self.model = trained
        self._adapters.save(output_dir or self.args.output_dir)

    # The Trainer has no public hooks for the following; a test says where a release moves them.

    def _build_dataloader(self, *args: Any, **kwargs: Any) -> DataLoader[Any]:
        """As the Trainer's own, with workers that outlive a signal as long as the step at hand."""
        loader: DataLoader[Any] = super()._build_dataloader(*args, **kwargs)
        loader.worker_init_fn = partial(ignore_first_in_worker, before=loader.worker_init_fn)
        return loader

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        with reading(checkpoint_path, "the model"):
            if self._adapters is None:
                super()._load_from_checkpoint(checkpoint_path)
            else:
                self._adapters.load(checkpoint_path)

    def _maybe_log_save_evaluate(
        self, tr_loss: Any, grad_norm: Any, model: nn.Module, trial: Any, *args: Any, **kw: Any
    ) -> None:
        """As the Trainer's own, and the end if a signal asked for it while a step was taken."""
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kw)
        step = self.state.global_step
        first = self._looked_at_step != step
        self._looked_at_step = step
        if first and float(self.state.epoch or 0).is_integer():
            return  # what is due at the end of the epoch comes in the next call
        if self._must_end():
            if self._saved_step != step:
                self._save_checkpoint(model, trial)
                self.control = self.callback_handler.on_save(self.args, self.state, self.control)
            self._ending.deliver()
            raise KeyboardInterrupt  # the signal came to another process of the training

    @property
    def seconds(self) -> float:
        """Seconds of training so far, with those before an interruption."""
        return time.perf_counter() - self._started

    def _must_end(self) -> bool:
        """Whether any process of the training was told to end."""
        told = self._ending.due is not None
        if self.args.world_size > 1:
            flag = torch.tensor(float(told), device=self.args.device)
            told = bool(self.accelerator.reduce(flag, reduction="sum") > 0)
        return told

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """As the Trainer's own, in a folder that gets its final name when it is complete."""
        final = Path(self.args.output_dir)
        staging = final / ".partial"
        if self.args.should_save:
            shutil.rmtree(staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()  # every process writes its random state in there
        self._staging = staging
        try:
            super()._save_checkpoint(model, trial)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)  # what a full disk has no room for
            raise
        finally:
            self._staging = None
        self.accelerator.wait_for_everyone()
        name = f"checkpoint-{self.state.global_step}"
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = str(final / name)
        if self.args.should_save:
            self.state.save_to_json(str(staging / name / TRAINER_STATE_NAME))
            shutil.rmtree(final / name, ignore_errors=True)
            complete(staging / name, self.seconds)
            (staging / name).rename(final / name)
            shutil.rmtree(staging)
            rotate_checkpoints(
                output_dir=str(final),
                save_total_limit=self.args.save_total_limit,
                best_model_checkpoint=self.state.best_model_checkpoint,
                use_mtime=True,
            )

        self._saved_step = self.state.global_step

    def _load_best_model(self) -> None:
        """The best checkpoint, or a `RunError`: without it, the last weights would pass for it."""
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    _started: float = 0.0
    _staging: Path | None = None
    _saved_step: int | None = None
    _looked_at_step: int | None = None

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging or super()._get_output_dir(trial))


def _require_warmup_within(args: BeeFormerTrainingArguments, users: Sequence[int]) -> None:
    """Refuse a warm-up that is not over when training is."""
    sizes = (list(users), args.users_per_step * args.world_size, args.dataloader_drop_last)
    batches = len(UserBatchSampler(*sizes, 0, args.dataset_batches))
    steps = args.num_train_epochs * math.ceil(batches / args.gradient_accumulation_steps)
    steps = args.max_steps if args.max_steps > 0 else math.ceil(steps)
    if args.warmup_steps > max(steps, 1):
        raise ConfigError(
            f"warmup_steps={args.warmup_steps}, and {steps:,} steps of training",
            expected="a warm-up that ends before training does",
            remedy="Set fewer, or a share of all steps, such as 0.1.",
        )


def _data_seed(args: BeeFormerTrainingArguments) -> int:
    return int(args.seed if args.data_seed is None else args.data_seed)


def peak_memory(device: torch.device) -> float:
    """Largest resident memory of this process so far, or allocated on the GPU, in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
