"""Descriptions of items by a chat model, as a new column of a dataset folder.

`LocalChat`, for a model on this machine, is in `beekit.describe.local`, because it needs torch.
"""

from beekit.describe.chat import ChatModel, Reply, Sampling
from beekit.describe.endpoint import EndpointChat
from beekit.describe.job import Described, describe
from beekit.describe.task import PROMPT, Task

__all__ = [
    "PROMPT",
    "ChatModel",
    "Described",
    "EndpointChat",
    "Reply",
    "Sampling",
    "Task",
    "describe",
]
