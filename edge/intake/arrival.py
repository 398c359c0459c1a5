"""A data set on its way from the network to the disk.

What always holds: a disk that can't take it doesn't end the association (in the DICOM library it would, without an
answer, and the sender would wait for one): the rest is let pass, and `trouble` says so when the message is complete.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final, Self

from pynetdicom import dimse_messages

_NOWHERE: Final = "/dev/null/nowhere"
"""No file is or can be there: the library unlinks what an arrival is called, and may run as root."""


class Arrival:
    """A file that the library writes a data set to: what it uses of `tempfile.NamedTemporaryFile`."""

    def __init__(self, *, suffix: str, **_: object) -> None:
        self.trouble: OSError | None = None
        self._descriptor: int | None = None
        self.name = _NOWHERE
        try:
            self._descriptor, self.name = tempfile.mkstemp(suffix=suffix)
        except OSError as error:
            self.trouble = error

    @property
    def file(self) -> Self:
        """Itself: the library flushes the file below."""
        return self

    def write(self, content: bytes) -> int:
        """Writes all of it through to the disk, or nothing more from now on."""
        rest = memoryview(content)
        while rest and self._descriptor is not None and self.trouble is None:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except OSError as error:
                self.trouble = error
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Gives the descriptor back; what could not be written whole is removed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        os.close(descriptor)
        if self.trouble:
            with contextlib.suppress(OSError):
                Path(self.name).unlink()


_WRITTEN_TO: Final = "NamedTemporaryFile"
"""What the library's module calls to have a file; a name in a variable, as its stubs don't list what it imports."""


def receive_into_arrivals() -> None:
    """Makes the library write to arrivals. May be called often."""
    setattr(dimse_messages, _WRITTEN_TO, Arrival)
