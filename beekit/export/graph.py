"""Writing a part of an encoder as a graph for other runtimes: ONNX, and OpenVINO from ONNX."""

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

# Opset 18 has all operators of these encoders, and runtimes from 2023 on can read it.
OPSET = 18
# Graphs with more weights have them in a file beside, because a protobuf file holds at most 2 GiB.
_ONE_FILE = 1_800_000_000


class Graph(NamedTuple):
    """A graph, which is written to one file."""

    module: nn.Module  # takes the inputs in their order, and returns a tuple of the outputs
    inputs: Mapping[str, Tensor]  # an example of each input, by name; its first dimension is items
    outputs: tuple[str, ...]  # names of the outputs
    dims: int  # the last dimension of `sentence_embedding`
    # The maximum number of tokens, if the second dimension of the inputs is free; else None.
    longest: int | None = None

    def describe(self) -> dict[str, Any]:
        """The entry in export.json; in shapes of inputs, free dimensions are names."""
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
                # The default is to write weights in half precision.
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
                # A harmless warning: the inputs share their free dimensions, whose names repeat.
                warnings.filterwarnings("ignore", message="# The axis name")
                torch.onnx.export(
                    self.module.eval(),
                    tuple(self.inputs.values()),
                    path,
                    input_names=list(self.inputs),
                    output_names=list(self.outputs),
                    opset_version=OPSET,
                    dynamo=True,
                    # A tuple for the module's `*args`, with an entry for each input.
                    dynamic_shapes=(tuple(free for _ in self.inputs),),
                    external_data=weights > _ONE_FILE,
                    verbose=False,
                )
        # Tracing may raise any of these errors, depending on the encoder's code.
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
    """Check that a graph takes batches of any size, not only of the size of the example.

    Raises:
        ExportError: if it does not.
    """
    for given in graph.graph.input:
        dims = given.type.tensor_type.shape.dim[: len(free)]
        fixed = [name for dim, name in zip(dims, free, strict=True) if not dim.dim_param]
        if fixed:
            raise ExportError(
                f"the encoder's graph works only with a fixed number of {' and '.join(fixed)}",
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
