"""A progress bar over training steps, with the loss and the speed in users."""

from __future__ import annotations

from typing import Any

from transformers.trainer_callback import ProgressCallback, TrainerState

from beekit.progress import progress_bar


class TrainingProgress(ProgressCallback):
    """One bar over the whole training: steps, loss, users a second, latest evaluation.

    The Trainer's own begins a resumed training at step 0, prints a dictionary beside the bar for
    each step that is logged, and fills a log with redraws.
    """

    training_bar: Any

    def __init__(self, users_per_step: int) -> None:
        super().__init__()
        self.users_per_step = users_per_step
        self.shown: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        if state.is_world_process_zero:
            self.training_bar = progress_bar(
                desc="train", total=state.max_steps, initial=state.global_step, unit="step"
            )

    def on_step_end(self, args: Any, state: TrainerState, *_: Any, **__: Any) -> None:
        if self.training_bar is not None:
            self.training_bar.update(state.global_step - self.training_bar.n)
            if rate := self.training_bar.format_dict["rate"]:
                self._show(users_per_s=f"{rate * self.users_per_step:,.0f}")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        for key, value in (logs or {}).items():
            if key == "loss" or (key.startswith("eval_") and "@" in key):
                self._show(**{key.removeprefix("eval_"): f"{float(value):.4f}"})

    def _show(self, **fields: str) -> None:
        if self.training_bar is not None:
            self.shown.update(fields)
            self.training_bar.set_postfix(self.shown, refresh=False)
