"""What we answer highdicom about films is what it would find itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.report import lookups


@pytest.mark.parametrize("attribute", lookups.ANSWERS)
@pytest.mark.parametrize("sop_class_uid", sorted(lookups.FILMS))
def test_the_answers_are_the_standards(sop_class_uid: str, attribute: str) -> None:
    assert lookups.answer(attribute, sop_class_uid) == lookups.looked_up(attribute, sop_class_uid)


def test_what_is_no_film_is_looked_up() -> None:
    segmentation = "1.2.840.10008.5.1.4.1.1.66.4"
    assert lookups.answer("NumberOfFrames", segmentation)
    assert not lookups.answer("TotalPixelMatrixRows", next(iter(lookups.FILMS)))


def test_a_report_needs_no_table_of_the_whole_standard() -> None:
    asked = (
        "from edge.report.build import warm_up; from highdicom import _standard_utils as tables; warm_up();"
        "print(tables.get_module_attribute_map.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
