"""The networks in onnxruntime, set up for a small computer that has other things to do.

Threads are one less than the cores and don't spin while they wait. The memory pattern is off, because inputs have many
sizes. What a large image needed is kept for the next until `rest` gives it back. The graph is optimised here, on
the machine that runs it. In fp32 the results repeat bit for bit.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as states

from edge.detector import distal
from edge.detector.bundle import REGION_CHANNELS, Bundle
from edge.errors import ModelError

ort.disable_telemetry_events()  # as edge.detector asked for already: an appliance tells nobody anything

Maps = NDArray[np.float32]
"""[channels, rows, columns], 0 to 1."""

Look = Callable[[NDArray[np.float32]], dict[str, Maps]]
"""A network, as those see it who use it: from a picture [rows, columns] to named maps on half its grid."""

STRIDE: Final = 2
"""All networks answer on a grid of half their input's size."""
_ORT_ERRORS: Final = (
    states.EPFail,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NoModel,
    states.NotImplemented,
    states.RuntimeException,
    RuntimeError,
    ValueError,
)
"""onnxruntime's exceptions share no base of their own."""
_QUIET: Final = 3


class _Graph:
    """One graph with one input, `image` float32 [n, 1, rows, columns]."""

    def __init__(self, name: str, graph: bytes, outputs: Mapping[str, int], *, threads: int) -> None:
        """Prepares the graph. `outputs`: the channels that each must have.

        Raises:
            ModelError: if the graph can't be loaded or has another surface.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = _QUIET
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except _ORT_ERRORS as error:
            raise ModelError(f"the {name} network can't be loaded") from error
        self._name = name
        self._outputs = dict(outputs)
        inputs = [node.name for node in self._session.get_inputs()]
        found = {node.name for node in self._session.get_outputs()}
        if inputs != ["image"] or not set(outputs) <= found:
            raise ModelError(f"the {name} network has other inputs or outputs than it must")

    def rest(self, image: NDArray[np.float32]) -> None:
        """Gives back what earlier pictures needed, by a run on a small one [rows, columns].

        Raises:
            ModelError: if the network fails.
        """
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            self._session.run(list(self._outputs), {"image": image[None, None]}, options)
        except _ORT_ERRORS as error:
            raise ModelError(f"the {self._name} network failed") from error

    def run(self, images: NDArray[np.float32], grids: Mapping[str, tuple[int, int]]) -> dict[str, NDArray[np.float32]]:
        """Runs the graph on float32 [n, rows, columns]. `grids`: rows and columns that each output must have.

        Raises:
            ModelError: if the network fails, or its answer has another shape or isn't finite.
        """
        fed = np.ascontiguousarray(images, dtype=np.float32)[:, None]
        try:
            values = self._session.run(list(self._outputs), {"image": fed})
        except _ORT_ERRORS as error:
            raise ModelError(f"the {self._name} network failed") from error
        answer: dict[str, NDArray[np.float32]] = {}
        for (name, channels), value in zip(self._outputs.items(), values, strict=True):
            if value.shape != (len(images), channels, *grids[name]) or not np.isfinite(value).all():
                raise ModelError(f"the {self._name} network's {name} is not what it must be")
            answer[name] = value
        return answer


class Network(_Graph):
    """A graph that answers with maps on half its input's grid."""

    def __call__(self, image: NDArray[np.float32]) -> dict[str, Maps]:
        """Runs the network on float32 [rows, columns]; each output float32 [channels, rows / 2, columns / 2].

        Raises:
            ModelError: if the network fails, or its answer has another shape or isn't finite.
        """
        grid = image.shape[0] // STRIDE, image.shape[1] // STRIDE
        answer = self.run(image[None], dict.fromkeys(self._outputs, grid))
        return {name: value[0] for name, value in answer.items()}


class LesionNetwork(Network):
    """The graph that finds bodies, asked about several views of a picture: mirrored, upside down, turned.

    A body is one from whichever side it is looked at; what only looks like one often isn't. The mean of the views keeps
    the first and lowers the second.
    """

    VIEWS: Final = tuple(itertools.product((False, True), repeat=3))
    """Transposed, upside down, mirrored: the order in which a release that wants fewer takes them."""

    def __init__(self, graph: bytes, channels: int, *, views: int, threads: int) -> None:
        """Prepares the graph. `views`: how many are averaged, 1 to 8.

        Raises:
            ModelError: if the graph can't be loaded or has another surface.
        """
        super().__init__("lesions", graph, {"lesions": channels}, threads=threads)
        self._views = self.VIEWS[:views]

    def __call__(self, image: NDArray[np.float32]) -> dict[str, Maps]:
        """The mean of the views' answers, each turned back; see `Network`.

        Raises:
            ModelError: if the network fails, or its answer has another shape or isn't finite.
        """
        total: Maps | None = None
        for transposed, upside_down, mirrored in self._views:
            seen = image[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
            maps = super().__call__(seen.T if transposed else seen)["lesions"]
            maps = maps.transpose(0, 2, 1) if transposed else maps
            maps = maps[:, :: -1 if upside_down else 1, :: -1 if mirrored else 1]
            total = maps if total is None else total + maps
        assert total is not None
        return {"lesions": np.ascontiguousarray(total / np.float32(len(self._views)))}


class DistalNetwork(_Graph):
    """The graph that looks at fingertips, many at once."""

    def __init__(self, graph: bytes, *, threads: int) -> None:
        """Prepares the graph.

        Raises:
            ModelError: if the graph can't be loaded or has another surface.
        """
        outputs = {"places": len(distal.PLACES), "space": 1, "signs": len(distal.SIGNS)}
        super().__init__("distal", graph, outputs, threads=threads)

    def __call__(self, patches: NDArray[np.float32]) -> distal.Answer:
        """See `edge.detector.distal.Look`.

        Raises:
            ModelError: if the network fails, or its answer has another shape or isn't finite.
        """
        grid = distal.ROWS // STRIDE, distal.COLUMNS // STRIDE
        answer = self.run(patches, {"places": grid, "space": grid, "signs": (1, 1)})
        return distal.Answer(answer["places"], answer["space"], answer["signs"][:, :, 0, 0])


class Engine:
    """The networks of a release."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        """Loads them. `threads`: cores less one unless told.

        Raises:
            ModelError: if a network can't be used.
        """
        count = threads if threads is not None else max(1, len(os.sched_getaffinity(0)) - 1)
        self._bundle = bundle
        self.anatomy = Network(
            "anatomy",
            bundle.networks["anatomy"],
            {"regions": len(REGION_CHANNELS), "keypoints": 20},
            threads=count,
        )
        self.lesions = LesionNetwork(
            bundle.networks["lesions"], len(bundle.lesion_channels), views=bundle.lesions.views, threads=count
        )
        ends = bundle.networks.get("distal")
        self.distal = None if ends is None else DistalNetwork(ends, threads=count)
        """None in a release without it."""
        self.rest()  # what a network's first run needs is never given back: that one is small

    def rest(self) -> None:
        """Gives back memory until the next picture comes. To be called when none is waiting.

        Raises:
            ModelError: if a network fails.
        """
        for network, multiple in (
            (self.anatomy, self._bundle.anatomy.multiple),
            (self.lesions, self._bundle.lesions.multiple),
        ):
            network.rest(np.zeros((multiple, multiple), dtype=np.float32))
        if self.distal is not None:
            self.distal.rest(np.zeros((distal.ROWS, distal.COLUMNS), dtype=np.float32))
