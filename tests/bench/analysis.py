"""One film through an analysis whose networks are watched: how long each call took, on what, and what is left.

Imports no torch; `tests.bench.runtimes` puts another runtime in the networks' place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from edge.detector import golden
from edge.detector.analyse import Analyser
from edge.types import NotAnalysed

Feed = Mapping[str, NDArray[np.float32]]
PARTS: Final = ("anatomy", "lesions", "distal")


class Session(Protocol):
    """What the detector asks of a runtime."""

    def run(self, outputs: Sequence[str], feed: Feed) -> list[NDArray[np.float32]]:
        """Runs the graph."""
        ...


@dataclass(slots=True)
class Watched:
    """A session that notes how long each call took, in wall and processor seconds, and its input's shape."""

    session: Session
    calls: list[tuple[tuple[int, ...], float, float]] = field(default_factory=list)

    def run(self, outputs: Sequence[str], feed: Feed) -> list[NDArray[np.float32]]:
        """Runs the graph."""
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self.session.run(outputs, feed)
        self.calls.append((feed["image"].shape, time.perf_counter() - wall, time.process_time() - cpu))
        return answer


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one analysis: all of it, and the networks alone."""

    wall_s: float
    cpu_s: float
    networks_wall_s: float
    networks_cpu_s: float
    calls: Mapping[str, Sequence[tuple[tuple[int, ...], float, float]]]


class Stand:
    """A release on the test stand, with a film to analyse."""

    def __init__(
        self, release: Path, film: Path, *, threads: int, other: Callable[[bytes], Session] | None = None
    ) -> None:
        """Loads the release; `other` makes sessions from graphs in onnxruntime's place."""
        self._analyser = Analyser(release, threads=threads)
        self._film, self._header = film, golden.header(film)
        self._watched: dict[str, Watched] = {}
        for name in PARTS:
            network: Any = getattr(self._analyser._engine, name, None)
            if network is not None:
                session = network._session if other is None else other((release / f"{name}.onnx").read_bytes())
                self._watched[name] = network._session = Watched(session)

    def analyse(self) -> Took:
        """One analysis."""
        for watched in self._watched.values():
            watched.calls.clear()
        wall, cpu = time.perf_counter(), time.process_time()
        seen = self._analyser.analyse(self._film, self._header, source=self._film.name)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert not isinstance(seen.analysis, NotAnalysed), seen.analysis.reason
        calls = {name: list(watched.calls) for name, watched in self._watched.items()}
        spent = [call for each in calls.values() for call in each]
        return Took(wall, cpu, sum(w for _, w, _ in spent), sum(c for *_, c in spent), calls)


def multiplications(graph: bytes, shape: tuple[int, ...]) -> int:
    """Multiply-adds of the convolutions of a graph for one input shape."""
    model = onnx.load_from_string(graph)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = size
    for output in model.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.ClearField("dim_param")
    inferred = onnx.shape_inference.infer_shapes(model)
    sizes = {info.name: [d.dim_value for d in info.type.tensor_type.shape.dim] for info in inferred.graph.value_info}
    sizes |= {info.name: [d.dim_value for d in info.type.tensor_type.shape.dim] for info in inferred.graph.output}
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    total = 0
    for node in inferred.graph.node:
        if node.op_type == "Conv":
            total += int(np.prod(sizes[node.output[0]])) * int(np.prod(weights[node.input[1]][1:]))
    return total
