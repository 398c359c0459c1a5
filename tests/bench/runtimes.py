"""The peers of the detector's bench: the same analysis with its networks in other runtimes, in turn, in one process.

Runs in the training environment, `python -m tests.bench.runtimes RELEASE FILM ROUNDS THREADS`, and prints JSON.
The graphs' own weights are used, batch normalisation already folded in, which is in PyTorch's favour.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor

from tests.bench.analysis import Feed, Stand


class EagerSession:
    """A graph of the releases' few operators, run node by node."""

    def __init__(self, graph: bytes) -> None:
        """Takes the weights out of the graph."""
        model = onnx.load_from_string(graph)
        self._outputs = [output.name for output in model.graph.output]
        self._known = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}
        self._steps: list[tuple[Callable[..., Tensor], list[str], str, dict[str, Any]]] = []
        for node in model.graph.node:
            facts = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                self._known[node.output[0]] = torch.from_numpy(numpy_helper.to_array(facts["value"]).copy())
            else:
                self._steps.append((_OPERATORS[node.op_type], list(node.input), node.output[0], facts))

    def run(self, outputs: Sequence[str], feed: Feed) -> list[NDArray[np.float32]]:
        """As onnxruntime's."""
        with torch.inference_mode():
            values = self._known | {"image": torch.from_numpy(feed["image"])}
            for operator, inputs, output, facts in self._steps:
                values[output] = operator(*(values[name] if name else None for name in inputs), **facts)
            return [values[name].numpy() for name in outputs]


class OpenVinoSession:
    """A graph as OpenVINO compiles it for this processor, in single precision."""

    def __init__(self, graph: bytes, threads: int) -> None:
        """Compiles the graph."""
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = core.compile_model(core.read_model(graph), "CPU", settings)

    def run(self, outputs: Sequence[str], feed: Feed) -> list[NDArray[np.float32]]:
        """As onnxruntime's."""
        answer = self._compiled(feed["image"])
        return [answer[name] for name in outputs]


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, **facts: Any) -> Tensor:
    top, left, bottom, right = facts["pads"]
    assert (top, left) == (bottom, right)
    return F.conv2d(x, weight, bias, facts["strides"], (top, left), facts["dilations"], facts["group"])


def _resize(x: Tensor, _region: Tensor | None, scales: Tensor, **_facts: Any) -> Tensor:
    return F.interpolate(x, scale_factor=[float(s) for s in scales[2:]], mode="nearest")


_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Conv": _conv,
    "Relu": torch.relu,
    "Add": lambda a, b: a + b,
    "Resize": _resize,
    "Sigmoid": torch.sigmoid,
    "Softmax": lambda x, axis: torch.softmax(x, dim=axis),
    "MaxPool": lambda x, **f: F.max_pool2d(x, f["kernel_shape"], f["strides"]),
    "GlobalMaxPool": lambda x: torch.amax(x, dim=(2, 3), keepdim=True),
    "GlobalAveragePool": lambda x: torch.mean(x, dim=(2, 3), keepdim=True),
}


def main(release: Path, film: Path, rounds: int, threads: int) -> None:
    """Analyses the film with each runtime in turn."""
    torch.set_num_threads(threads)
    stands = {
        "calcedge": Stand(release, film, threads=threads),
        "PyTorch eager": Stand(release, film, threads=threads, other=EagerSession),
        "OpenVINO": Stand(release, film, threads=threads, other=lambda graph: OpenVinoSession(graph, threads)),
    }
    took: dict[str, list[dict[str, Any]]] = {name: [] for name in stands}
    for number in range(rounds + 1):
        for name, stand in stands.items():
            once = stand.analyse()
            if number:  # the first warms up
                took[name].append({key: value for key, value in asdict(once).items() if key != "calls"})
    print(json.dumps(took))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
