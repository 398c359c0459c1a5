"""Figures of the distal signs on phantoms: acro-osteolysis of each tuft, space of each last joint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.phantom_report import Pair
from models.evaluation.summary import matrix, rounded, share


def distal_report(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Tuft grades and DIP spaces against the truth; counts of what the release gave."""
    grades, spaces, films, space_films = [], [], [], []
    asked = 0
    for index, (_, shown) in enumerate(pairs):
        for hand in shown.hands:
            if hand.true_hand < 0:
                continue
            true = shown.truth.hands[hand.true_hand]
            asked += len(true.tufts)
            for name, grade in hand.tufts.items():
                if name in true.tufts:
                    grades.append((true.tufts[name], grade))
                    films.append(index)
            for name, space in hand.spaces.items():
                if name in true.spaces:
                    spaces.append(space - true.spaces[name])
                    space_films.append(index)
    errors = np.abs(spaces)
    return {
        "tufts_asked_for": asked,
        "tufts_given": len(grades),
        "within_one": share([abs(a - b) <= 1 for a, b in grades], films, len(pairs)),
        "exact": share([a == b for a, b in grades], films, len(pairs)),
        "normal_called_2_or_more": share(
            [b >= 2 for a, b in grades if a == 0],
            [f for f, (a, _) in zip(films, grades, strict=True) if a == 0],
            len(pairs),
        ),
        "tufts": matrix(Counter((str(a), str(b)) for a, b in grades)),
        "spaces_given": len(spaces),
        "space_mean_error_mm": rounded(float(errors.mean())) if len(errors) else None,
        "space_bias_mm": rounded(float(np.mean(spaces))) if spaces else None,
    }
