"""dciodvfy (Debian's dicom3tools) as a judge: what it says of an object, line by line."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Verdict:
    """What the validator said. `kind` is what it took the object for: had it recognised nothing, it judged nothing."""

    kind: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(content: bytes, folder: Path) -> Verdict:
    """The verdict on one object.

    Every line must be one that is understood (`Error - `, `Warning - `, the kind of object): anything else, or no
    kind at all, is an assertion failure, so that a changed output can't pass for a clean one.
    """
    path = folder / "judged.dcm"
    path.write_bytes(content)
    done = subprocess.run(
        ["dciodvfy", str(path)], capture_output=True, text=True, check=False, errors="replace", timeout=60
    )
    assert done.returncode in (0, 1), done
    kinds, errors, warnings = [], [], []
    for line in (done.stderr + done.stdout).splitlines():
        if line.startswith("Error - "):
            errors.append(line)
        elif line.startswith("Warning - "):
            warnings.append(line)
        elif line.strip() and " " not in line.strip():
            kinds.append(line.strip())
        else:
            assert not line.strip(), f"not understood: {line!r}"
    assert len(kinds) == 1, f"the validator did not say once what it judged: {kinds}"
    # The exit status says nothing: some errors leave it 0.
    return Verdict(kinds[0], tuple(errors), tuple(warnings))
