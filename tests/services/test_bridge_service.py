"""Every reason for which the link may be down has a reason in the words of the house."""

from __future__ import annotations

from edge.errors import REASONS
from edge.services.bridge import _REASONS
from firmware_bridge.bridge import LinkReason


def test_every_link_reason_is_told() -> None:
    assert set(_REASONS) == set(LinkReason)
    assert {code for code in _REASONS.values() if code} <= set(REASONS)
    assert [reason for reason, code in _REASONS.items() if code is None] == [LinkReason.NONE]
