"""The uncompressed twin: the same object in another coat, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from edge.outbox import recode
from edge.outbox.destination import Consignment
from edge.outbox.wares import TWINS, Ware, fits, propose, ware_of
from tests.peers.films import film, write


def _film() -> Dataset:
    dataset = film(1, SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99TEST", "one"
    dataset.AnatomicRegionSequence = [code]
    dataset.add_new(0x00090010, "LO", "CALCEDGE TEST")
    dataset.add_new(0x00091001, "SH", "private")
    return dataset


@pytest.mark.requirement("identity")
@pytest.mark.parametrize("target", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    "source",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless],
)
def test_everything_but_the_coat_is_the_same(tmp_path: Path, source: str, target: str) -> None:
    made = _film()
    pixels, path, twin = made.pixel_array.copy(), tmp_path / "a.dcm", tmp_path / "b.dcm"
    if source == RLELossless:
        made.compress(RLELossless, generate_instance_uid=False)
        write(made, path)
    else:
        if source == ExplicitVRBigEndian:
            made.PixelData = pixels.byteswap().tobytes()
        made.file_meta.TransferSyntaxUID = UID(source)
        implicit, little = source == ImplicitVRLittleEndian, source != ExplicitVRBigEndian
        made.save_as(path, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    assert recode.recode(path, twin, target)
    read = dcmread(twin)
    assert read.file_meta.TransferSyntaxUID == target
    assert np.array_equal(read.pixel_array, pixels)
    assert read.get_item("PatientName").value.rstrip() == dcmread(path).get_item("PatientName").value.rstrip()
    assert read.SOPInstanceUID == made.SOPInstanceUID
    assert read.AnatomicRegionSequence[0].CodeMeaning == "one"


def test_what_can_t_be_read_makes_no_twin(tmp_path: Path) -> None:
    damaged = write(film(1), tmp_path / "a.dcm")
    damaged.write_bytes(damaged.read_bytes()[:300])
    assert recode.main.__doc__
    ware = Ware(Consignment(damaged, "", "1.2", "1.3"), None)
    with ware.shaped(TWINS[0]) as path:
        assert path is None or not recode.recode(damaged, tmp_path / "b.dcm", TWINS[0])


def test_what_is_proposed_and_what_fits(tmp_path: Path) -> None:
    made = film(1)
    made.compress(RLELossless, generate_instance_uid=False)
    path = write(made, tmp_path / "a.dcm")
    ware = ware_of(Consignment(path, "", str(made.SOPClassUID), str(made.SOPInstanceUID)))
    sop_class = str(made.SOPClassUID)
    assert propose([ware, ware]) == sorted((sop_class, str(syntax)) for syntax in (RLELossless, *TWINS))
    assert fits(ware, {(sop_class, str(RLELossless)), (sop_class, TWINS[0])}) == RLELossless
    assert fits(ware, {(sop_class, TWINS[1])}) == TWINS[1]
    assert fits(ware, {("1.2.3", TWINS[1])}) is None
    lying = ware_of(Consignment(path, "", str(made.SOPClassUID), "9.9"))
    assert lying.transfer_syntax_uid is None  # the file's head says otherwise: it goes as a twin
