"""Wheels become a release for the machine and the Python that they are made for."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edge.errors import UpdateError
from edge.fleet.admin.publish import application_release
from edge.fleet.documents import Manifest
from tests.fleet.fleet import FleetOfOne
from tests.fleet.releases import wheel

OWN = "calcedge-1.2.3-py3-none-any.whl"
NUMPY = "numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
CRYPTOGRAPHY = "cryptography-50.0.2-cp39-abi3-manylinux_2_34_x86_64.whl"


def published(fleet: FleetOfOne, folder: Path, *names: str) -> Manifest:
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(wheel({"module.py": path.name}))
    return application_release(fleet.admin, paths, "app-1", epoch=1)


def test_a_release_is_for_what_its_wheels_are_for(fleet: FleetOfOne, tmp_path: Path) -> None:
    made = published(fleet, tmp_path, OWN, NUMPY, CRYPTOGRAPHY, "pyserial-3.5-py2.py3-none-any.whl")
    assert (made.version, made.hardware, made.python) == ("1.2.3", ("x86_64",), "cp311")
    assert [blob.path for blob in made.blobs] == [OWN, NUMPY, CRYPTOGRAPHY, "pyserial-3.5-py2.py3-none-any.whl"]


def test_one_that_no_box_would_unpack_is_not_published(fleet: FleetOfOne, tmp_path: Path) -> None:
    path = tmp_path / OWN
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.py", b"\n" * 5_000_000)
    with pytest.raises(UpdateError) as error:
        application_release(fleet.admin, [path], "app-1", epoch=1)
    assert error.value.reason.code == "update-damaged"


def test_a_pure_one_is_for_all(fleet: FleetOfOne, tmp_path: Path) -> None:
    made = published(fleet, tmp_path, OWN)
    assert (made.hardware, made.python) == (("any",), "any")


@pytest.mark.parametrize(
    "names",
    [
        ("calcedge.whl",),
        ("calcedge-1.2-py3-none-any.whl",),
        (OWN, NUMPY, "scipy-1.17.1-cp312-cp312-manylinux_2_27_x86_64.whl"),
        (OWN, NUMPY, "scipy-1.17.1-cp311-cp311-manylinux_2_27_aarch64.whl"),
    ],
)
def test_what_can_not_run_together_is_refused(fleet: FleetOfOne, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UpdateError) as error:
        published(fleet, tmp_path, *names)
    assert error.value.reason.code == "fleet-repository"
