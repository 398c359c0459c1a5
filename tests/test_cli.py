"""The command line as users and scripts rely on it: exit codes and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

from edge import wire
from tests.peers.films import film, write
from tests.peers.hands import golden_files


def _calcedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_analyze_prints_one_line_a_file_in_order(tmp_path: Path) -> None:
    films = golden_files()
    done = _calcedge("analyze", "--json", "--out", tmp_path / "out", *films)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["source"] for line in lines] == [str(path) for path in films]
    for line in lines:
        assert line["schema"] == 1
        assert line["outcome"] in ("findings", "no_findings")
        assert wire.to_dict(wire.from_json(json.dumps(line))) == line
    made = [dcmread(path) for path in (tmp_path / "out").iterdir()]
    marked = sum(line["outcome"] == "findings" for line in lines)
    expected = ["OT", "SR"] * len(films) + ["KO", "PR", "SEG"] * marked
    assert sorted(dataset.Modality for dataset in made) == sorted(expected)
    patients = {dcmread(path).StudyInstanceUID: dcmread(path).PatientID for path in films}
    assert all(patients[dataset.StudyInstanceUID] == dataset.PatientID for dataset in made)


def test_the_same_file_gives_the_same_bytes_timing_aside() -> None:
    film = golden_files()[0]
    lines = []
    for _ in range(2):
        done = _calcedge("analyze", "--json", film)
        body = json.loads(done.stdout)
        del body["timing_ms"]
        lines.append(json.dumps(body))
    assert lines[0] == lines[1]


@pytest.mark.requirement("failure is not a clean result")
def test_a_file_that_is_not_analysed_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    write(film(1, rows=1024, columns=1024), tmp_path / "b.dcm")
    (tmp_path / "a.txt").write_text("hello", encoding="ascii")
    (tmp_path / "c.dcm").write_bytes(golden_files()[0].read_bytes())
    done = _calcedge("analyze", "--json", tmp_path)
    assert done.returncode == 3
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["source"]).name for line in lines] == ["a.txt", "b.dcm", "c.dcm"]
    assert [line["outcome"] == "not_analysed" for line in lines] == [True, True, False]
    for line in lines[:2]:
        assert set(line["reason"]) == {"code", "text", "do"}
        assert "hands" not in line
        assert "lesions" not in line
    words = _calcedge("analyze", tmp_path / "a.txt")
    assert words.returncode == 3
    assert "NOT ANALYSED" in words.stdout


@pytest.mark.shared_data
@pytest.mark.requirement("failure is not a clean result")
def test_each_shared_dicom_file_is_refused_with_the_right_code(shared_data: Path) -> None:
    """Radiographs of other parts decode and are no hand; broken ones say how they are broken."""
    done = _calcedge("analyze", "--json", *sorted((shared_data / "dicom").glob("*.dcm")))
    assert done.returncode == 3, done.stderr
    lines = {Path(line["source"]).stem: line for line in map(json.loads, done.stdout.splitlines())}
    codes = {name: line["reason"]["code"] for name, line in lines.items()}
    assert codes.pop("RG3_JPLY") == "damaged-pixels"
    radiographs = {name: code for name, code in codes.items() if name.startswith("RG")}
    assert len(radiographs) == 8
    assert set(radiographs.values()) == {"not-a-hand"}
    others = {name: code for name, code in codes.items() if not name.startswith("RG")}
    assert others == {
        "MR_truncated": "not-a-radiograph",
        "badVR": "not-a-radiograph",
        "image_dfl": "not-a-radiograph",
        "meta_missing_tsyntax": "not-a-radiograph",
        "nested_priv_SQ": "not-a-radiograph",
        "no_meta": "not-dicom",
    }


@pytest.mark.parametrize("arguments", [["analyze"], ["analyze", "/does/not/exist"], ["nonsense"], ["wrap", "x"]])
def test_bad_usage_is_2(arguments: list[str]) -> None:
    assert _calcedge(*arguments).returncode == 2


def test_a_bad_configuration_is_said_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[dicom]\nport = 99999\n", encoding="ascii")
    done = _calcedge("run", "--config", config)
    assert done.returncode == 1
    assert "dicom.port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_all_well_on_a_sound_machine(tmp_path: Path) -> None:
    done = _calcedge("doctor", "--data", tmp_path)
    assert done.returncode == 0, done.stdout
    for check in ("store", "model", "serial", "disk", "clock"):
        assert check in done.stdout


def test_the_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[serial]\nport = "/dev/not-there"\n[analysis]\nrelease = "{tmp_path}"\n'
        '[[destinations]]\ntype = "dicom"\nname = "a"\ntitle = "A"\nhost = "127.0.0.1"\nport = 1\n',
        encoding="utf-8",
    )
    done = _calcedge("doctor", "--config", config)
    assert done.returncode == 1
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert failed == ["model", "serial", "archive"]
    assert "->" in done.stdout


def test_wrap_makes_a_file_that_is_admitted(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray((np.arange(900 * 700).reshape(900, 700) % 251).astype(np.uint8)).save(tmp_path / "a.png")
    done = _calcedge("wrap", tmp_path / "a.png", "--mm-per-pixel", "0.2", "--out", tmp_path / "a.dcm", "--side", "L")
    assert done.returncode == 0, done.stderr
    line = json.loads(_calcedge("analyze", "--json", tmp_path / "a.dcm").stdout)
    assert line["reason"]["code"] in ("not-a-hand", "unusable-image")
