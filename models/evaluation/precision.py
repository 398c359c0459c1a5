"""Would a release of reduced precision do? The same films through fp32 and its variants, and how long each takes.

    int8           convolutions in QDQ form, 8 bit activations and weights per channel, calibrated on tuning phantoms
    bfloat16       weights rounded to bfloat16, arithmetic in fp32: onnxruntime's CPU provider has no bfloat16 kernels

A variant may ship only if the burden index stays within 2 % and sensitivity within one point of fp32, and pays only if
it is faster. Nothing here changes a release.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edge.detector.engine import Engine
from models.evaluation import collect
from models.evaluation.observe import Observer
from models.evaluation.phantom_report import Pair, operating_points
from models.evaluation.summary import rounded

MOST_BURDEN_CHANGE: Final = 0.02
MOST_SENSITIVITY_CHANGE: Final = 0.01
_CALIBRATION_FILMS: Final = 12
_TIMED: Final = 12

Inputs = Mapping[str, Sequence[NDArray[np.float32]]]


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    """Hands a network's inputs to the quantiser, one by one."""

    def __init__(self, images: Sequence[NDArray[np.float32]]) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next input, None after the last."""
        image = next(self._left, None)
        return None if image is None else {"image": image}


def compare(release: Path, cache: Path, films: int, *, processes: int = collect.PROCESSES) -> dict[str, Any]:
    """Makes the variants of a release in the cache, measures all on held-out phantoms, and tells what they change."""
    seen = inputs_of(release)
    folders = {"fp32": release}
    for name, change in (("int8", _int8), ("bfloat16", _bfloat16)):
        folders[name] = variant(release, cache / "precision" / name, lambda part, g, c=change: c(part, g, seen))  # type: ignore[misc]
    thresholds = json.loads((release / "manifest.json").read_text(encoding="utf-8"))["thresholds"]
    cases = [f"phantom/measured/{index}" for index in range(films)]
    measured = {
        name: collect.both(cases, folder, cache, thresholds, processes=processes) for name, folder in folders.items()
    }
    times = {
        name: {part: seconds(folder / f"{part}.onnx", seen[part]) for part in seen} for name, folder in folders.items()
    }
    return {name: _told(measured[name], measured["fp32"], thresholds, times[name], times["fp32"]) for name in folders}


def inputs_of(release: Path) -> dict[str, list[NDArray[np.float32]]]:
    """What the networks of a release are fed on some tuning phantoms."""
    seen: dict[str, list[NDArray[np.float32]]] = {}
    observer = Observer(release, {}, None)
    engine: Engine = observer._showing._analyser._engine  # noqa: SLF001 - to watch what goes into the networks
    for part in ("anatomy", "lesions"):
        network: Any = getattr(engine, part)
        network._session = _Watch(network._session, seen.setdefault(part, []))  # noqa: SLF001 - likewise
    for index in range(_CALIBRATION_FILMS):
        observer.shown(observer.slide(f"phantom/tuning/{index}"))
    return seen


class _Watch:
    """A session that keeps what it is fed."""

    def __init__(self, session: Any, kept: list[NDArray[np.float32]]) -> None:
        self._session, self._kept = session, kept

    def run(self, outputs: Sequence[str], feed: dict[str, NDArray[np.float32]]) -> Any:
        """As the session's."""
        self._kept.append(feed["image"].copy())
        return self._session.run(outputs, feed)


def variant(release: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a release with changed graphs and their hashes."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(release, target)
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    for part in ("anatomy", "lesions"):
        graph = change(part, (release / f"{part}.onnx").read_bytes())
        (target / f"{part}.onnx").write_bytes(graph)
        manifest["files"][part]["sha256"] = hashlib.sha256(graph).hexdigest()
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return target


def seconds(graph: Path, images: Sequence[NDArray[np.float32]]) -> float:
    """Processor seconds of one call on the last of the images, one thread, the least of several."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_mem_pattern = False
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    took = []
    for _ in range(_TIMED):
        start = time.process_time()
        session.run(None, {"image": images[-1]})
        took.append(time.process_time() - start)
    return min(took)


def _int8(part: str, graph: bytes, seen: Inputs) -> bytes:
    with tempfile.TemporaryDirectory(prefix="calcedge-precision-") as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        quantize_static(
            source,
            target,
            _Reader(seen[part][:: max(1, len(seen[part]) // 24)]),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Add"],
        )
        return target.read_bytes()


def _bfloat16(_part: str, graph: bytes, _seen: Inputs) -> bytes:
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            bits = values.view(np.uint32).astype(np.uint64)
            nearest = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
            tensor.CopyFrom(numpy_helper.from_array(nearest.astype(np.uint32).view(np.float32), tensor.name))
    return bytes(model.SerializeToString())


def _told(
    pairs: Sequence[Pair],
    reference: Sequence[Pair],
    thresholds: Mapping[str, float],
    took: Mapping[str, float],
    usual: Mapping[str, float],
) -> dict[str, Any]:
    """Burden, sensitivity and false marks of a variant beside fp32's."""
    burden, usual_burden = (sum(h.burden_index for _, shown in p for h in shown.hands) for p in (pairs, reference))
    points = operating_points([listing for listing, _ in pairs], thresholds)["possible"]["all"]
    usual_points = operating_points([listing for listing, _ in reference], thresholds)["possible"]["all"]
    apart = abs(burden - usual_burden) / max(usual_burden, 1e-9)
    lost = abs(points["sensitivity"] - usual_points["sensitivity"])
    told = {
        "burden_change": apart,
        "sensitivity": points["sensitivity"],
        "sensitivity_change": lost,
        "false_marks_per_hand": points["false_per_image"],
        "milliseconds": {part: 1000 * value for part, value in took.items()},
        "faster": {part: usual[part] / value for part, value in took.items()},
        "may_ship": apart <= MOST_BURDEN_CHANGE and lost <= MOST_SENSITIVITY_CHANGE,
    }
    return rounded(told)  # type: ignore[no-any-return]
