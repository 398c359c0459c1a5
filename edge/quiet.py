"""Reading DICOM without quoting it: pydicom's warnings and log lines repeat values, and values are patient data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import config


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
