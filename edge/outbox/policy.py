"""What a destination's answer means, and when to try again. Rules without I/O."""

from __future__ import annotations

from typing import Final

from edge.errors import DeliveryError

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 300.0
FOREVER_S: Final = 365 * 86400.0
"""A destination that can't be asked leaves its parcels at *sent*."""
SEND_AGAIN_AFTER: Final = 6
"""An object that the destination took but doesn't show after so many questions is sent again."""

BROKE_OFF: Final = "destination-broke-off"
GIVE_UP_AFTER: Final = 8
"""An object on which the connection broke off so often, while others were taken in between, is held."""
OUT_OF_REACH: Final = frozenset({"destination-unreachable", "destination-tls", "destination-folder"})
"""The codes that say that the destination isn't there, not that it doesn't want something."""
SLOWEST_BYTES_PER_S: Final = 20_000
"""A destination that takes an object more slowly is cut off and tried again later."""

# C-STORE statuses: PS3.4 table B.2-1, PS3.7 annex C. Ranges include both ends; the first that holds counts.
_STORE_STATUSES: Final[tuple[tuple[int, int, str | None, bool], ...]] = (
    (0x0000, 0x0000, None, False),  # success
    (0x0111, 0x0111, None, False),  # duplicate SOP instance: it is there
    (0x0107, 0x0107, None, False),  # attribute list error: stored, some attributes unknown
    (0x0116, 0x0116, None, False),  # attribute value out of range: stored
    (0xB000, 0xBFFF, None, False),  # warnings: stored, perhaps with coerced elements
    (0xA700, 0xA7FF, "destination-busy", False),  # out of resources
    (0x0122, 0x0122, "destination-no-context", True),  # SOP class not supported
    (0x0124, 0x0124, "destination-refused", False),  # not authorised
    (0xA900, 0xAFFF, "destination-rejected", True),  # data set doesn't match SOP class
    (0xC000, 0xCFFF, "destination-rejected", True),  # cannot understand
    (0x0000, 0xFFFF, "destination-rejected", True),
)


def judge_store(status: int | None) -> DeliveryError | None:
    """What a C-STORE status means: None when the object was taken. `status` None: no answer came."""
    if status is None:
        return DeliveryError(BROKE_OFF)
    for low, high, code, final in _STORE_STATUSES:
        if low <= status <= high:
            return None if code is None else DeliveryError(code, f"status 0x{status:04X}", final=final)
    raise AssertionError("the last row holds for every status")


def delay_s(attempts: int) -> float:
    """How long to wait after so many failed tries: doubling, and never longer than five minutes."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempts, 16))
