"""From a data set's pixel element to stored values: one decoder for each transfer syntax, chosen here for good.

What always holds:

- The same bytes give the same values: no plug-in order, no fall-back to another decoder.
- The shape is the header's, or the picture is refused.
- Bits outside the stored ones (old overlays, noise) are gone.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, uid
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException
from pydicom.pixels.decoders.base import get_decoder

from edge.detector.codestream import BadCodestream, Geometry, geometry
from edge.detector.complaints import heard
from edge.errors import Refused
from edge.lean import late

Codes = NDArray[np.uint8] | NDArray[np.uint16]

_DECODER_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    BadCodestream,
    BytesLengthException,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the decoders raise on damaged bytes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Stored values as they lie in their bits.

    Attributes:
        codes: [rows, columns], or [rows, columns, 3] for colour: unsigned, `bits` wide; two's complement if `signed`.
        bits: how many bits a value has, 2 to 16.
        signed: whether the highest of them is a sign.
    """

    codes: Codes
    bits: int
    signed: bool

    @property
    def values(self) -> NDArray[np.int32]:
        """The value of each possible code: int32 [2 ** bits]."""
        codes = np.arange(1 << self.bits, dtype=np.int32)
        if self.signed:
            codes[1 << (self.bits - 1) :] -= 1 << self.bits
        return codes


def stored(dataset: Dataset) -> Stored:
    """Decodes the one frame of a data set.

    Raises:
        Refused: `unsupported-encoding` for a transfer syntax or pixel format without a decoder, `damaged-pixels` if the
            decoder fails or gives another shape than the header's.
    """
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", ""))
    decoder = DECODERS.get(syntax)
    if decoder is None:
        raise Refused("unsupported-encoding")
    try:
        allocated, bits = int(dataset.BitsAllocated), int(dataset.BitsStored)
        shape = _shape(dataset)
        signed = bool(dataset.get("PixelRepresentation", 0))
        if allocated not in {8, 16, 32} or not 1 < bits <= min(allocated, 16):
            raise Refused("unsupported-encoding")
        raw = decoder(dataset)
    except _DECODER_ERRORS as error:
        raise Refused("damaged-pixels") from error
    if raw.shape != shape or raw.dtype.kind not in "iu":
        raise Refused("damaged-pixels")
    return Stored(_lowest(raw, bits, _shift(dataset, syntax, allocated, bits)), bits, signed)


def _lowest(raw: NDArray[Any], bits: int, shift: int) -> Codes:
    """The `bits` bits above `shift`, unsigned; without a copy where they are all there is."""
    native = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    codes: NDArray[Any] = native.view(f"u{native.dtype.itemsize}")
    if shift:
        codes = codes >> codes.dtype.type(shift)
    if bits < 8 * codes.dtype.itemsize:
        codes = codes & codes.dtype.type((1 << bits) - 1)
    narrow: Codes = codes if codes.dtype == np.uint8 else codes.astype(np.uint16, copy=False)
    return narrow


def _shift(dataset: Dataset, syntax: str, allocated: int, bits: int) -> int:
    """How far up the stored bits lie (High Bit, PS3.3 C.7.6.3.1.1). Decoders bring them down."""
    high = int(dataset.get("HighBit", bits - 1))
    if syntax not in _NATIVE:
        return 0
    return high + 1 - bits if bits - 1 <= high < allocated else 0


def _shape(dataset: Dataset) -> tuple[int, ...]:
    rows, columns, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1))
    if rows <= 0 or columns <= 0 or samples not in {1, 3}:
        raise ValueError("no size")
    return (rows, columns) if samples == 1 else (rows, columns, samples)


def _native(dataset: Dataset) -> NDArray[Any]:
    """Uncompressed pixels as they lie in the element; a pad at its end is left out (PS3.5 section 8.1.1)."""
    shape, size = _shape(dataset), int(dataset.BitsAllocated) // 8
    little = dataset.file_meta.TransferSyntaxUID != uid.ExplicitVRBigEndian
    values: NDArray[Any]
    if size == 1 and not little and dataset["PixelData"].VR == "OW":
        words = np.frombuffer(dataset.PixelData, ">u2")
        values = words.astype("<u2").view(np.uint8)
    else:
        values = np.frombuffer(dataset.PixelData, f"{'<' if little else '>'}u{size}")
    values = values[: math.prod(shape)]
    if len(shape) == 3 and dataset.get("PlanarConfiguration", 0) == 1:
        return values.reshape(shape[2], *shape[:2]).transpose(1, 2, 0)
    return values.reshape(shape)


def _by_pydicom(plugin: str) -> Callable[[Dataset], NDArray[Any]]:
    def decode(dataset: Dataset) -> NDArray[Any]:
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax in _CODESTREAMS:
            _expect(dataset, _frame(dataset))
        values, _ = get_decoder(syntax).as_array(dataset, decoding_plugin=plugin, raw=True, index=0)
        return values

    return decode


def _by_gdcm(dataset: Dataset) -> NDArray[Any]:
    """JPEG of 8 to 16 bits, lossy or lossless, by GDCM's three builds of the IJG codec."""
    gdcm = late("gdcm")
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    frame = _frame(dataset)
    precision = _expect(dataset, frame).precision
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    samples, allocated = int(dataset.get("SamplesPerPixel", 1)), int(dataset.BitsAllocated)
    bits = max(int(dataset.BitsStored), precision)  # GDCM ends the process when a stream has more than it was told of
    picture = gdcm.Image()
    picture.SetNumberOfDimensions(2)
    picture.SetDimensions((int(dataset.Columns), int(dataset.Rows), 1))
    picture.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(str(dataset.PhotometricInterpretation))
    picture.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if samples > 1:
        picture.SetPlanarConfiguration(0)
    syntax = gdcm.TransferSyntax.GetTSType(str(dataset.file_meta.TransferSyntaxUID))
    picture.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    sign = int(dataset.get("PixelRepresentation", 0))
    picture.SetPixelFormat(gdcm.PixelFormat(samples, allocated, bits, bits - 1, sign))
    with heard() as damage:
        text = picture.GetBuffer()  # bytes in the guise of a str
    if text is None or damage:
        raise BadCodestream("the decoder gave up, or went on over damage")
    values = np.frombuffer(text.encode("utf-8", "surrogateescape"), f"<u{allocated // 8}").reshape(_shape(dataset))
    if bits > dataset.BitsStored and not sign and int(values.max()) >> int(dataset.BitsStored):
        raise BadCodestream("values beyond the header's bits")
    return values


def _frame(dataset: Dataset) -> bytes:
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def _expect(dataset: Dataset, frame: bytes) -> Geometry:
    """The codestream's own shape, which is the header's, before any decoder allocates for it."""
    found = geometry(frame.rstrip(b"\0"))
    wanted = (int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1)))
    if (found.rows, found.columns, found.samples) != wanted or found.precision > int(dataset.BitsAllocated):
        raise BadCodestream("another shape than the header's")
    return found


_NATIVE: Final = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    }
)
_CODESTREAMS: Final = frozenset(
    {uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.JPEG2000Lossless, uid.JPEG2000, *uid.JPEGTransferSyntaxes}
)
DECODERS: Final[Mapping[str, Callable[[Dataset], NDArray[Any]]]] = {
    **dict.fromkeys(_NATIVE, _native),
    uid.RLELossless: _by_pydicom("pydicom"),
    uid.JPEGBaseline8Bit: _by_gdcm,
    uid.JPEGExtended12Bit: _by_gdcm,
    uid.JPEGLossless: _by_gdcm,
    uid.JPEGLosslessSV1: _by_gdcm,
    uid.JPEGLSLossless: _by_pydicom("pyjpegls"),
    uid.JPEGLSNearLossless: _by_pydicom("pyjpegls"),
    uid.JPEG2000Lossless: _by_pydicom("pylibjpeg"),
    uid.JPEG2000: _by_pydicom("pylibjpeg"),
}
