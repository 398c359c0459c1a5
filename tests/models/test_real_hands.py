"""Clean real hands through the release: none refused, hardly ever a mark. Evaluation only: nothing learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from edge.config import DEFAULT_RELEASE
from edge.types import Findings
from models.evaluation.appliance import Appliance
from models.evaluation.real import films

MOST_POSSIBLE: Final = 0.25
"""False marks per clean hand. The card holds the figures of all sets; issue 3 asks for 0.15."""


@pytest.mark.shared_data
@pytest.mark.requirement("a normal hand gives no alarm")
def test_clean_mature_hands_are_analysed_and_hardly_marked(shared_data: Path) -> None:
    with Appliance(DEFAULT_RELEASE, {}) as appliance:
        answers = {
            name: appliance.analyse(film, None, all_scores=False)
            for name, film in films(shared_data / "real_hands" / "mature")
        }
    assert len(answers) == 16
    analysed = [answer for answer in answers.values() if isinstance(answer, Findings)]
    assert len(analysed) == len(answers)
    assert sum(len(answer.lesions) for answer in analysed) / len(analysed) <= MOST_POSSIBLE
