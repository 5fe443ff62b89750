"""A part of an encoder as a graph that other runtimes read: ONNX, and OpenVINO from that."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from beekit.errors import ExportError
from beekit.export.libraries import need

# Everything these encoders do has been in ONNX since opset 18, and runtimes of 2023 read it.
OPSET = 18
# Larger graphs keep their weights in a file beside them: a protobuf file ends at 2 GiB.
_ONE_FILE = 1_800_000_000


@dataclass(frozen=True)
class Graph:
    """What becomes one file.

    Attributes:
        module: takes the inputs in their order, and returns a tuple of the outputs.
        inputs: an example of each, by name; the first dimension is the items'.
        outputs: names; the last dimension of `sentence_embedding` is `dims`.
        dims: of the embedding.
        longest: tokens at most, where the second dimension of inputs is the tokens' and free; None
            where only the number of items is free.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    dims: int
    longest: int | None = None

    def describe(self) -> dict[str, Any]:
        """What export.json says of it; in shapes of inputs, free dimensions by name."""
        inputs = {
            name: {
                "dtype": str(example.dtype).removeprefix("torch."),
                "shape": [*self._free, *example.shape[len(self._free) :]],
            }
            for name, example in self.inputs.items()
        }
        return {"inputs": inputs, "outputs": list(self.outputs), "dims": self.dims}

    @property
    def _free(self) -> list[str]:
        return ["items"] if self.longest is None else ["items", "tokens"]

    def write(self, path: Path, runtime: str) -> None:
        """Write the graph.

        Args:
            path: of the file, .onnx or .xml; what belongs to it goes beside it.
            runtime: "onnx" or "openvino".

        Raises:
            ExportError: if a library is missing, or if PyTorch or the runtime cannot express the
                encoder, or only for batches of one size.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if runtime == "onnx":
            self._write_onnx(path)
            return
        openvino: Any = need("openvino")[-1]
        with TemporaryDirectory() as folder:
            onnx = Path(folder) / "graph.onnx"
            self._write_onnx(onnx)
            try:
                model = openvino.Core().read_model(str(onnx))
                # By itself it writes weights in half precision.
                openvino.save_model(model, str(path), compress_to_fp16=False)
            except RuntimeError as error:
                raise _cannot("OpenVINO", error) from error

    def _write_onnx(self, path: Path) -> None:
        sizes = {"items": torch.export.Dim("items")}
        if self.longest is not None:
            sizes["tokens"] = torch.export.Dim("tokens", max=self.longest)
        free = {place: sizes[name] for place, name in enumerate(self._free)}
        weights = sum(part.numel() * part.element_size() for part in self.module.parameters())
        try:
            with torch.no_grad(), warnings.catch_warnings():
                # Inputs share their free dimensions, so the names of most are not needed.
                warnings.filterwarnings("ignore", message="# The axis name")
                torch.onnx.export(
                    self.module.eval(),
                    tuple(self.inputs.values()),
                    path,
                    input_names=list(self.inputs),
                    output_names=list(self.outputs),
                    opset_version=OPSET,
                    dynamo=True,
                    # One for the module's `*args`, which holds one for each input.
                    dynamic_shapes=(tuple(free for _ in self.inputs),),
                    external_data=weights > _ONE_FILE,
                    verbose=False,
                )
        # Whatever an encoder's forward does while it is traced, it may raise.
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise _cannot("PyTorch", error) from error
        _require_free(path, self._free)


def _require_free(path: Path, free: Sequence[str]) -> None:
    """Refuse a graph that was written for the sizes of the example alone.

    Raises:
        ExportError: if the graph takes only batches of the sizes of the example.
    """
    onnx: Any = need("onnx")[0]
    for given in onnx.load(str(path), load_external_data=False).graph.input:
        dims = given.type.tensor_type.shape.dim[: len(free)]
        fixed = [name for dim, name in zip(dims, free, strict=True) if not dim.dim_param]
        if fixed:
            raise ExportError(
                f"the encoder's graph is bound to one number of {' and '.join(fixed)}",
                expected="a forward that takes batches of any size",
                remedy="Serve this encoder with torch.",
            )


def _cannot(who: str, error: Exception) -> ExportError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ExportError(
        f"{who} cannot write the encoder as a graph ({reason[:300]})",
        expected="a forward that can be traced",
        remedy="Serve this encoder with torch, or choose another architecture.",
    )
