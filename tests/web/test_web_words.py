"""The wording's rules, checked over every sentence that the page can show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.errors import REASONS
from edge.types import JOINTS, REGIONS
from edge.web import phrases, words

TEMPLATES = Path(words.__file__).parent / "templates"
FORBIDDEN = (
    "scleroderma", "sclerosis", "systemic", "crest", "raynaud", "dermatomyositis", "lupus", "arthritis", "arthrosis",
    "osteoarthritis", "gout", "cancer", "tumour", "tumor", "diabetes", "calcinosis", "syndrome", "disease", "benign",
    "malignant", "normal hand", "healthy", "no calcification", "all clear", "probability", "treatment", "diagnosed",
)  # fmt: skip


def flat(value: str | dict[object, object]) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for inner in value.values():
            assert isinstance(inner, str | dict)
            yield from flat(inner)


def sentences() -> Iterator[str]:
    for name, value in vars(words).items():
        if not name.isupper() or isinstance(value, bool):
            continue
        yield from flat(value)
    for side in words.SIDES:
        yield from (phrases.place(side, region) for region in REGIONS)
        yield from (phrases.joint(side, joint) for joint in JOINTS)
        yield phrases.hand_summary(side, 1, 2, ["thumb"])
    yield from (
        phrases.signs(2, 1),
        phrases.narrowing(2, 0.5),
        phrases.osteolysis(3),
        phrases.kind("net", 2),
        phrases.density(3),
    )
    yield from (phrases.send_asked(2), phrases.parcels_in_trouble(3, 1), phrases.technique(50.0, None, 100.0, 1.25))
    for reason in REASONS.values():
        yield from (reason.text, reason.do)


@pytest.mark.requirement("no disease is named, nothing is called normal or clear")
@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_sentence_names_a_disease_or_clears_a_hand(word: str) -> None:
    assert [sentence for sentence in sentences() if word in sentence.lower()] == []


def test_every_region_and_joint_has_a_name() -> None:
    names = {phrases.place("L", region) for region in REGIONS} | {phrases.joint("L", joint) for joint in JOINTS}
    assert len(names) == len(REGIONS) + len(JOINTS)
    assert "Left thumb, end phalanx (DP1)" in names
    assert phrases.place("U", "DP1") == "Thumb, end phalanx (DP1, side unknown)"


def test_every_outcome_has_its_own_words_and_shape() -> None:
    assert set(words.OUTCOME_SHORT) == set(words.SHAPE)
    assert len(set(words.OUTCOME_SHORT.values())) == len(set(words.SHAPE.values())) == 4


class Texts(HTMLParser):
    """Collects what a template shows of its own, outside Jinja's marks."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        """Text in attributes that people hear or see."""
        self.found += [value or "" for name, value in attrs if name in {"aria-label", "alt", "title", "placeholder"}]


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_templates_hold_no_words_of_their_own(template: Path) -> None:
    parser = Texts()
    parser.feed(re.sub(r"{[{%#].*?[}%#]}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert [text.strip() for text in parser.found if re.search(r"[A-Za-z]", text)] == []


def test_the_script_holds_no_words_of_its_own() -> None:
    script = (TEMPLATES.parent / "static" / "page.js").read_text(encoding="utf-8")
    assert re.search(r"textContent = [\"'`]", script) is None
