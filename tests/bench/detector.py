"""The detector: an analysis beside PyTorch eager and OpenVINO, its share of the machine's peak, what is left, memory.

Seconds are the least of several rounds, taken in turn where two are compared: the least is what the machine can do when
nothing else disturbs it. Processor seconds are told too; they hold on a busy machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper
from pydicom.uid import ExplicitVRLittleEndian

from edge.config import DEFAULT_RELEASE
from tests.bench.analysis import Stand, Took, multiplications
from tests.bench.figure import Figure, against, at_least, at_most, plain
from tests.peers.hands import new_hand

_ROWS, _COLUMNS = 2560, 2048
_ROUNDS: Final = 7
_MATRIX: Final = 1024
_TRAINING: Final = Path(".venv-train/bin/python")


def release() -> Path:
    """The release on the stand: `CALCEDGE_BENCH_RELEASE`, or the one that ships."""
    return Path(os.environ.get("CALCEDGE_BENCH_RELEASE", DEFAULT_RELEASE))


def against_peers(folder: Path) -> Iterator[Figure]:
    """The whole analysis and its networks: onnxruntime, PyTorch eager and OpenVINO in turn, the same weights."""
    film = large_film(folder)
    for threads in (2, 1):
        command = [_TRAINING, "-m", "tests.bench.runtimes", release(), film, _ROUNDS, threads]
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[-300:]
        took: dict[str, list[dict[str, float]]] = json.loads(run.stdout)
        best = {name: {key: min(once[key] for once in rounds) for key in rounds[0]} for name, rounds in took.items()}
        ours = best.pop("calcedge")
        for peer, theirs in best.items():
            for what, key in (("whole analysis", ""), ("networks alone", "networks_")):
                for clock, kind in (("wall_s", ""), ("cpu_s", ", processor time")):
                    if threads == 1 and clock == "wall_s":
                        continue
                    mine, other = 1000 * ours[key + clock], 1000 * theirs[key + clock]
                    least = 3.0 if (what, kind, peer) == ("whole analysis", "", "PyTorch eager") else None
                    how = f"{_COLUMNS} x {_ROWS} film, {threads} thread(s), least of {_ROUNDS} rounds in turn{kind}"
                    yield against(peer, what, mine, other, "ms", how, ratio=other / mine, least=least)


def share_of_peak(folder: Path) -> Iterator[Figure]:
    """Arithmetic of the networks per second, against matrix multiplication in the same runtime, on one thread."""
    stand = Stand(release(), large_film(folder), threads=1)
    stand.analyse()
    peak, rounds = 0.0, []
    for _ in range(_ROUNDS):
        peak = max(peak, gemm_flops_per_s())
        rounds.append(stand.analyse())
    how = (
        f"2 x multiply-adds of the convolutions / processor time, 1 thread, best of {_ROUNDS}, GEMM in the same runtime"
    )
    yield plain("peak: matrix multiplication", peak / 1e9, "GFLOP/s", how)
    total_flops = total_s = 0.0
    for name, calls in rounds[0].calls.items():
        graph = (release() / f"{name}.onnx").read_bytes()
        flops = sum(2.0 * multiplications(graph, shape) for shape, *_ in calls)
        seconds = min(sum(cpu for *_, cpu in once.calls[name]) for once in rounds)
        total_flops, total_s = total_flops + flops, total_s + seconds
        said = f"{how}; {len(calls)} calls, {flops / 1e9:.2f} GFLOP"
        yield plain(f"share of peak, {name}", 100 * flops / seconds / peak, "%", said)
    yield at_least("share of peak, all networks", 100 * total_flops / total_s / peak, "%", 60.0, how)
    best = min(rounds, key=lambda once: once.cpu_s)
    rest = best.cpu_s - best.networks_cpu_s
    how = f"{_COLUMNS} x {_ROWS} film, 1 thread, processor time, least of {_ROUNDS}"
    yield at_most("everything but the networks / the networks", rest / best.networks_cpu_s, "x", 1.0, how)
    yield plain("everything but the networks", 1000 * rest, "ms", how)
    yield plain("the networks", 1000 * best.networks_cpu_s, "ms", how)


def memory(folder: Path) -> Iterator[Figure]:
    """The largest resident size of a process that analyses the film five times, as a unit's worker does."""
    script = (
        "import sys; from pathlib import Path; from edge.detector import golden\n"
        "from edge.detector.analyse import Analyser\n"
        "film = Path(sys.argv[2]); analyser = Analyser(Path(sys.argv[1]))\n"
        "for _ in range(5): analyser.analyse(film, golden.header(film), source='film')\n"
        "print(Path('/proc/self/status').read_text())"
    )  # not getrusage: its maximum begins with the size of the process that started this one
    command = [sys.executable, "-c", script, str(release()), str(large_film(folder))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    how = f"largest resident size after five analyses of a {_COLUMNS} x {_ROWS} film"
    peak_kib = next(int(line.split()[1]) for line in run.stdout.splitlines() if line.startswith("VmHWM:"))
    yield at_most("memory of an analysis", peak_kib / 1024, "MiB", 400.0, how)


def gemm_flops_per_s() -> float:
    """What onnxruntime's matrix multiplication does on one thread; the best of five."""
    shape = [_MATRIX, _MATRIX]
    weight = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "gemm",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(weight, "b")],
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    took = []
    for _ in range(6):
        start = time.process_time()
        session.run(None, {"a": weight})
        took.append(time.process_time() - start)
    return 2.0 * _MATRIX**3 / min(took)


def large_film(folder: Path) -> Path:
    """A golden phantom of one hand, uncompressed, in the middle of a 2560 x 2048 field."""
    target = folder / "film.dcm"
    if target.is_file():
        return target
    dataset: Any = new_hand(1)
    pixels = dataset.pixel_array
    dataset.decompress(generate_instance_uid=False)
    field = np.full((_ROWS, _COLUMNS), pixels[0, 0], dtype=pixels.dtype)
    top, left = max(0, (_ROWS - pixels.shape[0]) // 2), max(0, (_COLUMNS - pixels.shape[1]) // 2)
    part = pixels[:_ROWS, :_COLUMNS]
    field[top : top + part.shape[0], left : left + part.shape[1]] = part
    dataset.Rows, dataset.Columns, dataset.PixelData = _ROWS, _COLUMNS, field.tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target, enforce_file_format=True)
    return target


__all__ = ["Took", "against_peers", "large_film", "memory", "release", "share_of_peak"]
