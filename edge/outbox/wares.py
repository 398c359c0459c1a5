"""What an object is on the wire, what is proposed for it, and in which shape an archive takes it.

An object goes as it is where the archive takes it so. Otherwise its *twin* goes: the same data set, uncompressed,
under the same identifier. A twin is made by a process of its own (`edge.outbox.recode`), because pixels come from
outside (docs/decisions/0003).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from edge.quiet import PARSER_ERRORS, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.outbox.destination import Consignment

TWINS: Final = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""In what a twin may be written, the better first. The second is what every archive must take (PS3.5 section 10.1)."""
TWIN: Final = "twin-"
"""What the names of twins begin with; they lie where the standard library puts temporary files."""
_RECODE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Ware:
    """A consignment and the transfer syntax of its file; None when the file doesn't say what the wire needs."""

    consignment: Consignment
    transfer_syntax_uid: str | None

    @contextlib.contextmanager
    def shaped(self, transfer_syntax_uid: str) -> Iterator[Path | None]:
        """The file in a syntax: itself, or a twin that lives as long as the block; None when none can be made."""
        if transfer_syntax_uid == self.transfer_syntax_uid:
            yield self.consignment.path
            return
        descriptor, name = tempfile.mkstemp(prefix=TWIN)
        os.close(descriptor)
        twin = Path(name)
        try:
            yield twin if self._make_twin(twin, transfer_syntax_uid) else None
        finally:
            twin.unlink(missing_ok=True)

    def _make_twin(self, target: Path, transfer_syntax_uid: str) -> bool:
        command = [sys.executable, "-m", "edge.outbox.recode", str(self.consignment.path), str(target)]
        try:
            done = subprocess.run(
                [*command, transfer_syntax_uid], stdin=subprocess.DEVNULL, capture_output=True, timeout=_RECODE_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def ware_of(consignment: Consignment) -> Ware:
    """Reads what the file says of itself."""
    try:
        with reading():
            meta = read_file_meta_info(consignment.path)
    except (*PARSER_ERRORS, OSError):
        return Ware(consignment, None)
    told = (str(meta.get("MediaStorageSOPClassUID", "")), str(meta.get("MediaStorageSOPInstanceUID", "")))
    honest = told == (consignment.sop_class_uid, consignment.sop_instance_uid)
    return Ware(consignment, str(meta.get("TransferSyntaxUID", "")) or None if honest else None)


def propose(wares: Sequence[Ware]) -> list[tuple[str, str]]:
    """The pairs of SOP class and transfer syntax to propose: of each object its own, and its twins'."""
    return sorted({(ware.consignment.sop_class_uid, syntax) for ware in wares for syntax in _shapes(ware)})


def fits(ware: Ware, taken: set[tuple[str, str]]) -> str | None:
    """The syntax in which the archive takes an object: its own if it may be; None when in none."""
    return next((syntax for syntax in _shapes(ware) if (ware.consignment.sop_class_uid, syntax) in taken), None)


def _shapes(ware: Ware) -> Iterator[str]:
    if ware.transfer_syntax_uid:
        yield ware.transfer_syntax_uid
    yield from (syntax for syntax in TWINS if syntax != ware.transfer_syntax_uid)
