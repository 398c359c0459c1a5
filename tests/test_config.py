"""The configuration: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import DicomDestination, FolderDestination, load
from edge.errors import ConfigError


def test_without_a_file_nothing_listens_beyond_this_machine() -> None:
    config = load(None)
    assert config.dicom.host == config.web.host == "127.0.0.1"
    (only,) = config.deliver_to()
    assert isinstance(only, FolderDestination)
    assert only.path == config.data / "outbox"
    assert (config.analysis.release / "manifest.json").exists()


def test_destinations_of_both_kinds(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        '[[destinations]]\ntype = "folder"\nname = "usb"\npath = "/media/usb"\noriginals = false\n'
        '[[destinations]]\ntype = "dicom"\nname = "pacs"\ntitle = "PACS"\nhost = "10.0.0.5"\n',
        encoding="ascii",
    )
    usb, pacs = load(path).deliver_to()
    assert isinstance(usb, FolderDestination)
    assert not usb.originals
    assert isinstance(pacs, DicomDestination)
    assert pacs.port == 104


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[dicom]\nport = 0", "dicom.port"),
        ("[dicom]\nport = 'x'", "dicom.port"),
        ('[dicom]\ntitle = "A TITLE THAT IS TOO LONG"', "dicom.title"),
        ('[dicom]\ntitle = "BACK\\\\SLASH"', "dicom.title"),
        ("[dicom]\nprot = 11112", "dicom.prot"),
        ("[analysis]\ndeadline_s = 0", "analysis.deadline_s"),
        ("[nonsense]", "nonsense"),
        ('[[destinations]]\ntype = "pigeon"\nname = "a"', "destinations"),
        (2 * '[[destinations]]\nname = "a"\ntype = "folder"\npath = "/a"\n', "same name"),
        ("not toml", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert place in caught.value.reason.text
    assert caught.value.reason.code == "config-invalid"
