"""Who we say we are when an association is negotiated (PS3.7 section D.3.3.2)."""

from __future__ import annotations

from typing import Final

from pydicom.uid import UID

from edge import __version__

CLASS_UID: Final = UID("2.25.102912810683148198975692960069126549253")
"""Stays the same as long as we behave the same on the network; made from a UUID (PS3.5 annex B.2)."""
VERSION: Final = f"CALCEDGE_{__version__}"[:16]
