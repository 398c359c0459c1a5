r"""Text as it stands in a header's bytes, decoded without losing a character (PS3.5 section 6.1, PS3.3 C.12.1.1.2).

The rule, in this order:

1. Bytes that are valid in the character set the header states are read in that set.
2. Otherwise - no set stated, an unknown one, or bytes that are not valid in it - escape sequences name their own
   sets (ISO 2022), then UTF-8 is tried, then ISO 8859-1, in which every byte is a character. The caller is told,
   so that the report can say that a name was read by rule and not by statement.

>>> decode(b"M\xfcller^Ana", ("ISO_IR 100",))
('Müller^Ana', True)
>>> decode("Müller^Ana".encode(), ())
('Müller^Ana', False)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

_DELIMITERS: Final = frozenset(b"\\^=\r\n\t\f")
"""Each resets the character set to the first (PS3.5 section 6.1.2.5.3)."""
_ESCAPE: Final = b"\x1b"
_MISSPELT: Final = re.compile(r"ISO[ -]IR|ISO.2022.IR.")
"""Spellings seen in the field that pydicom takes for what they mean."""
_REPLACED: Final = "\ufffd"
_EXTENSIONS: Final = ("", *(name for name in python_encoding if name.startswith("ISO 2022 IR")))


def decode(raw: bytes, stated: Sequence[str]) -> tuple[str, bool]:
    """The text of `raw`, and whether the stated character set accounts for it.

    Args:
        raw: the bytes of one value, as received; padding at the end is dropped.
        stated: the values of Specific Character Set (0008,0005), empty when the header has none.
    """
    raw = raw.rstrip(b" \0")
    if raw.isascii() and _ESCAPE not in raw:
        return raw.decode("ascii"), True
    text = _in(stated, raw) if any(stated) else None
    if text is not None:
        return text, True
    if _ESCAPE in raw and (text := _in(_EXTENSIONS, raw)) is not None:
        return text, False
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        return raw.decode("iso8859-1"), False


def _in(names: Sequence[str], raw: bytes) -> str | None:
    """`raw` in the character sets named, or None when it is not valid in them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom warns of is an answer here: None
        encodings = convert_encodings(list(names))
        if not _known(names[0]):
            return None
        parts = [decode_bytes(part, encodings, set(_DELIMITERS)) for part in raw.split(b"=")]
    text = "=".join(parts)
    return None if _REPLACED in text or "\x1b" in text else text


def _known(name: str) -> bool:
    return name in python_encoding or _MISSPELT.match(name) is not None
