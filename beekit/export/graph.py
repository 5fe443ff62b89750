"""A part of an encoder as a graph that other runtimes read: ONNX, and OpenVINO from that."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from beekit.errors import ExportError
from beekit.export.libraries import need

# Everything these encoders do has been in ONNX since opset 18, and runtimes of 2023 read it.
OPSET = 18
# Larger graphs keep their weights in a file beside them: a protobuf file ends at 2 GiB.
_ONE_FILE = 1_800_000_000


class Graph(NamedTuple):
    """What becomes one file."""

    module: nn.Module  # takes the inputs in their order, and returns a tuple of the outputs
    inputs: Mapping[str, Tensor]  # an example of each, by name; the first dimension is the items'
    outputs: tuple[str, ...]  # names; the last dimension of `sentence_embedding` is `dims`
    dims: int
    # Tokens at most, where inputs have a second dimension that is free; else only items are.
    longest: int | None = None

    def describe(self) -> dict[str, Any]:
        """What export.json says of it; in shapes of inputs, free dimensions by name."""
        inputs = {}
        for name, example in self.inputs.items():
            shape = [*self._free, *example.shape[len(self._free) :]]
            inputs[name] = {"dtype": str(example.dtype).removeprefix("torch."), "shape": shape}
        return {"inputs": inputs, "outputs": list(self.outputs), "dims": self.dims}

    @property
    def _free(self) -> list[str]:
        return ["items"] if self.longest is None else ["items", "tokens"]

    def write(self, path: Path, runtime: str) -> None:
        """Write the graph as .onnx for "onnx", or as .xml with weights beside it for "openvino"."""
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
        onnx: Any = need("onnx")[0]
        graph = onnx.load(str(path), load_external_data=False)
        _require_free(graph, self._free)
        # PyTorch notes where in its code each node was traced, with paths of this machine.
        for part in (graph, graph.graph, *graph.graph.node, *graph.graph.input):
            part.ClearField("metadata_props")
        onnx.save(graph, str(path))


def _require_free(graph: Any, free: Sequence[str]) -> None:
    """Refuse a graph that takes only batches of the sizes of the example."""
    for given in graph.graph.input:
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
