"""Reading DICOM tells nobody what it read."""

from __future__ import annotations

import warnings

import pytest
from pydicom import Dataset, config

from edge.quiet import reading

SECRET = "Geheim in a place for numbers"


def test_neither_warning_nor_log_quotes_a_value(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with reading():
        dataset = Dataset()
        dataset.PatientBirthDate = SECRET
        dataset.SOPInstanceUID = SECRET
        assert dataset.PatientBirthDate == SECRET
        warnings.warn(SECRET, stacklevel=1)
        config.logger.warning(SECRET)
    assert not recwarn.list
    assert not caplog.records


def test_afterwards_all_is_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), reading():
        raise KeyError
    config.logger.warning("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]
    with pytest.warns(UserWarning, match="Invalid value"):
        Dataset().PatientBirthDate = "not a date"
