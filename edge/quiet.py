"""Reading DICOM without quoting it: pydicom's warnings and log lines repeat values, and values are patient data."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError

PARSER_ERRORS: Final = (
    InvalidDicomError,
    BytesLengthException,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that are not what they claim to be."""


@contextmanager
def reading() -> Iterator[None]:
    """Values that break a rule are read as they are, and no warning or log line of pydicom tells of them."""
    was_disabled = config.logger.disabled
    config.logger.disabled = True
    try:
        with config.disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.logger.disabled = was_disabled
