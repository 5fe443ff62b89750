"""A progress bar over training steps, with the loss and the speed in users."""

from __future__ import annotations

from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class TrainingProgress(TrainerCallback):
    """One bar over the whole training: steps, loss, users a second, latest evaluation."""

    def __init__(self, users_per_step: int) -> None:
        self.users_per_step = users_per_step
        self.bar: Any = None
        self.shown: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, desc="train", unit="step"
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)
            rate = self.bar.format_dict["rate"]
            if rate:
                self._show(users_per_s=f"{rate * self.users_per_step:,.0f}")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        for key, value in (logs or {}).items():
            if key == "loss":
                self._show(loss=f"{float(value):.4f}")
            elif key.startswith("eval_") and "@" in key:
                self._show(**{key.removeprefix("eval_"): f"{float(value):.4f}"})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _show(self, **fields: str) -> None:
        if self.bar is not None:
            self.shown.update(fields)
            self.bar.set_postfix(self.shown)
