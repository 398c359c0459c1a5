"""Small radiographs in any grey scale and transfer syntax, and releases to analyse them with."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import onnx
import onnx.helper
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid
from pydicom.dataset import FileMetaDataset

from edge.detector import bundle

_LOSSY: dict[uid.UID, dict[str, Any]] = {uid.JPEG2000: {"j2k_cr": [8]}, uid.JPEGLSNearLossless: {"jls_error": 3}}

Make = Callable[..., Dataset]
Encode = Callable[[Dataset, str], Dataset]


def radiograph(codes: NDArray[Any] | None = None, **values: Any) -> Dataset:
    """A DX image for presentation. `codes`: [rows, columns] or [rows, columns, 3]; keywords override elements."""
    if codes is None:
        codes = ramp()
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = uid.UID("1.2.826.0.1.3680043.10.9999.1")
    made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = uid.UID("1.2.826.0.1.3680043.10.9999.1")
    made.Modality = "DX"
    made.Rows, made.Columns = codes.shape[:2]
    made.SamplesPerPixel = 1 if codes.ndim == 2 else 3
    made.PhotometricInterpretation = "MONOCHROME2" if codes.ndim == 2 else "RGB"
    if codes.ndim == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = 8 * codes.dtype.itemsize
    made.BitsStored = made.BitsAllocated
    made.PixelRepresentation = 1 if codes.dtype.kind == "i" else 0
    made.PixelData = codes.astype(codes.dtype.newbyteorder("<")).tobytes()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    made.HighBit = values.get("HighBit", made.BitsStored - 1)
    return made


def ramp() -> NDArray[np.uint16]:
    """Every 12-bit value once, [64, 64]."""
    return np.arange(4096, dtype=np.uint16).reshape(64, 64)


def written(dataset: Dataset) -> bytes:
    """The data set as a file."""
    buffer = BytesIO()
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.save_as(
        buffer,
        enforce_file_format=True,
        implicit_vr=None if syntax.is_encapsulated else syntax.is_implicit_VR,
        little_endian=None if syntax.is_encapsulated else syntax.is_little_endian,
    )
    return buffer.getvalue()


def _encoded(dataset: Dataset, syntax: str, folder: Path) -> Dataset:
    """The same image in another transfer syntax, read back from its bytes.

    pydicom encodes RLE, JPEG-LS and JPEG 2000; GDCM lossless and 8-bit JPEG; DCMTK's dcmcjpeg 12-bit JPEG.
    """
    target = uid.UID(syntax)
    source = deepcopy(dataset)
    if target in uid.JPEGTransferSyntaxes:
        plain, out = folder / "plain.dcm", folder / "encoded.dcm"
        plain.write_bytes(written(dataset))
        _by_gdcm(plain, out, target)
        return dcmread(out)
    if target.is_encapsulated:
        source = dcmread(BytesIO(written(dataset)))
        source.compress(target, generate_instance_uid=False, **_LOSSY.get(target, {}))
    else:
        if target == uid.ExplicitVRBigEndian and source.BitsAllocated == 16:
            source.PixelData = np.frombuffer(source.PixelData, "<u2").astype(">u2").tobytes()
        source.file_meta.TransferSyntaxUID = target
    return dcmread(BytesIO(written(source)))


def _by_gdcm(plain: Path, out: Path, target: uid.UID) -> None:
    if target == uid.JPEGExtended12Bit:
        subprocess.run(["dcmcjpeg", "+ee", "+cy", str(plain), str(out)], check=True, capture_output=True)
        return
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(target))))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(out))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


@pytest.fixture
def make() -> Make:
    """Makes a radiograph: `make(codes, WindowCenter=..., ...)`."""
    return radiograph


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Puts a radiograph into another transfer syntax: `encode(dataset, syntax)`."""
    return lambda dataset, syntax: _encoded(dataset, syntax, tmp_path)


RELEASES = Path(__file__).resolve().parents[2] / "models" / "releases"


@pytest.fixture
def release() -> Path:
    """The newest release that ships."""
    return max(
        RELEASES.glob("hand-calcinosis-*"), key=lambda path: [int(n) for n in path.name.split("-")[-1].split(".")]
    )


@pytest.fixture
def tiny_release(tmp_path: Path) -> Path:
    """A release whose networks answer the half-size input in every channel; for everything but meaning."""
    folder = tmp_path / "tiny-1.2.3"
    folder.mkdir()
    graphs = {"anatomy": {"regions": 21, "keypoints": 20}, "lesions": {"lesions": len(bundle.LESION_CHANNELS)}}
    for name, outputs in graphs.items():
        (folder / f"{name}.onnx").write_bytes(_graph(outputs))
    manifest = {
        "schema": 1,
        "name": "tiny",
        "version": "1.2.3",
        "least_application": "0.1.0",
        "files": {
            name: {"path": f"{name}.onnx", "sha256": hashlib.sha256((folder / f"{name}.onnx").read_bytes()).hexdigest()}
            for name in graphs
        },
        "preprocessing": {
            "anatomy": {"long_side_px": 96, "multiple": 32},
            "lesions": {"mm_per_pixel": 0.2, "multiple": 32},
            "normalisation": {"low_percentile": 1.0, "high_percentile": 99.5, "clip": [-0.25, 1.5]},
        },
        "keypoints": list(bundle.KEYPOINTS),
        "regions": list(bundle.REGION_CHANNELS),
        "lesion_channels": list(bundle.LESION_CHANNELS),
        "thresholds": {"possible": 0.4, "definite": 0.8, "hand_confidence": 0.1},
        "golden": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _graph(outputs: dict[str, int]) -> bytes:
    """A graph that averages 2 x 2 pixels and repeats the result in each channel of each output."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("AveragePool", ["image"], ["half"], kernel_shape=[2, 2], strides=[2, 2])]
    nodes += [helper.make_node("Concat", ["half"] * count, [name], axis=1) for name, count in outputs.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, [1, 1, "rows", "columns"])],
        [helper.make_tensor_value_info(name, kind, [1, count, "y", "x"]) for name, count in outputs.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
