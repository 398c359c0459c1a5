"""The wording's rules, checked over every sentence of every language; and that every language is complete."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.errors import REASONS, reason
from edge.types import JOINTS, REGIONS, QualityNote
from edge.web import phrases, plurals, words

ROOT = Path(words.__file__).resolve().parents[2]
TEMPLATES = Path(words.__file__).parent / "templates"
LANGUAGES = sorted(words.languages())
OTHERS = [code for code in LANGUAGES if code != words.DEFAULT]
_DISEASES = (
    "scleroderm", "sclérod", "esclerod", "sclerosis", "sclérose", "esclerosis", "crest", "raynaud", "dermatomyosit",
    "lupus", "arthritis", "arthrit", "artritis", "arthros", "artrosis", "gout", "goutte", "cancer", "cáncer", "tumour",
    "tumor", "tumeur", "diabet", "diabèt", "calcinos", "syndrom", "síndrome", "تصلب الجلد", "تصلّب", "تكلس جلدي",
    "النقرس", "سرطان", "ورم", "متلازمة", "الذئبة", "رينو", "السكري", "الفصال",
)  # fmt: skip
_CLEARS = (
    "benign", "malignant", "normal hand", "healthy", "no calcification", "all clear", "probability", "treatment",
    "diagnosed", "bénin", "main normale", "saine", "aucune calcification", "traitement", "probabilité", "benign",
    "mano normal", "sana.", "sin calcificaci", "tratamiento", "probabilidad", "حميد", "يد سليمة", "لا يوجد تكلس",
    "علاج",
)  # fmt: skip
FORBIDDEN = (*_DISEASES, *_CLEARS)


def flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every sentence under its full name."""
    if isinstance(value, str):
        yield name, value
    else:
        assert isinstance(value, Mapping)
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}")


def sentences(code: str) -> Iterator[str]:
    for _, sentence in flat(words.load(code)):
        yield sentence
    words.speak(code)
    try:
        for side in words.HANDS:
            yield from (phrases.place(side, region) for region in REGIONS)
            yield from (phrases.joint(side, joint) for joint in JOINTS)
            yield phrases.hand_summary(side, 1, 2, [phrases.finger("DP1")])
        yield phrases.signs(2, 1)
        for known in REASONS:
            told = words.reason(known)
            yield from (told.text, told.do)
    finally:
        words.speak(None)


@pytest.mark.requirement("no disease is named, nothing is called normal or clear")
@pytest.mark.parametrize("code", LANGUAGES)
def test_no_sentence_names_a_disease_or_clears_a_hand(code: str) -> None:
    found = [(word, said) for said in sentences(code) for word in FORBIDDEN if word in said.lower()]
    assert found == []


def test_there_are_the_four_languages_of_the_contract() -> None:
    assert {"en", "fr", "es", "ar"} <= set(LANGUAGES)
    assert words.load("ar")["DIRECTION"] == "rtl"


@pytest.mark.requirement("every language is complete")
@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_every_sentence_and_no_other(code: str) -> None:
    own, english = dict(flat(words.load(code))), dict(flat(words.load(words.DEFAULT)))
    counts = {name.split(".")[1] for name in english if name.startswith(".COUNT_")}

    def names(of: Mapping[str, str]) -> set[str]:
        return {name for name in of if name.split(".")[1] not in counts and not name.startswith(".REASONS.")}

    assert names(own) == names(english)
    assert {name.split(".")[1] for name in own if name.startswith(".COUNT_")} == counts
    for name in names(english):
        assert fields(own[name]) == fields(english[name]), name
        assert own[name].strip() or not english[name].strip(), name


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_count_has_the_forms_that_its_language_needs(code: str) -> None:
    language = words.load(code)
    for name, forms in language.items():
        if name.startswith("COUNT_"):
            assert set(forms) == plurals.FORMS[language["PLURAL"]], name
            for number in (0, 1, 2, 3, 11, 100, 101):
                assert "{" not in plurals.choose(language["PLURAL"], forms, number)


@pytest.mark.requirement("every error code has a sentence and a next step in every language")
@pytest.mark.parametrize("code", OTHERS)
def test_every_error_code_is_told_in_every_language(code: str) -> None:
    told = words.load(code)["REASONS"]
    assert set(told) == set(REASONS)
    for name, reason_ in REASONS.items():
        assert set(told[name]) == {"text", "do"}
        assert told[name]["text"] != reason_.text
        assert told[name]["do"] != reason_.do


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_quality_note_of_the_detector_is_told_with_what_to_do(code: str) -> None:
    source = (ROOT / "edge" / "detector" / "quality.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'QualityNote\(\s*"([a-z-]+)"', source))
    assert codes
    assert codes <= set(words.load(code)["QUALITY_NOTES"])


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_region_and_joint_has_a_name(code: str) -> None:
    words.speak(code)
    try:
        names = {phrases.place("L", region) for region in REGIONS} | {phrases.joint("L", joint) for joint in JOINTS}
    finally:
        words.speak(None)
    assert len(names) == len(REGIONS) + len(JOINTS)


def test_places_in_english() -> None:
    assert phrases.place("L", "DP1") == "Left thumb, end phalanx (DP1)"
    assert phrases.place("U", "DP1") == "Thumb, end phalanx (DP1, side unknown)"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_outcome_has_its_own_words_and_shape(code: str) -> None:
    language = words.load(code)
    assert set(language["OUTCOME_SHORT"]) == set(words.SHAPE)
    assert len(set(language["OUTCOME_SHORT"].values())) == len(set(words.SHAPE.values())) == 4
    heads = {language[f"{name}_HEAD"] for name in ("FINDINGS", "NO_FINDINGS", "NOT_ANALYSED", "PENDING")}
    assert len(heads) == 4


def test_a_stored_reason_is_told_in_the_language_of_the_page_with_its_detail() -> None:
    stored = reason("too-large", detail="9000 x 9000")
    words.speak("fr")
    try:
        told = words.detailed(stored)
    finally:
        words.speak(None)
    assert told.text == f"{words.load('fr')['REASONS']['too-large']['text']} (9000 x 9000)"
    assert words.detailed(stored) == stored


def test_a_quality_note_keeps_its_fingers_and_one_without_words_is_told_as_it_came() -> None:
    text, do = phrases.quality(
        QualityNote("clipped-fingertip", "warning", "The film's edge cuts a fingertip (DP2, DP3).")
    )
    assert text.endswith("(index, middle)")
    assert do
    assert phrases.quality(QualityNote("from-the-future", "note", "Something new."))[0] == "Something new."


def test_numbers_have_the_language_s_decimal_sign() -> None:
    words.speak("fr")
    assert phrases.area(6.1) == "6,1 mm²"
    words.speak(None)
    assert phrases.area(6.1) == "6.1 mm²"


def test_a_code_without_words_still_says_that_something_is_wrong() -> None:
    assert "from-the-future" in words.reason("from-the-future").text


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
    assert [text.strip() for text in parser.found if re.search(r"[A-Za-z]{3}", text)] == []


@pytest.mark.parametrize("script", sorted((TEMPLATES.parent / "static").glob("*.js")), ids=lambda path: path.name)
def test_scripts_hold_no_words_of_their_own(script: Path) -> None:
    assert re.search(r"textContent = [\"'`][A-Za-z]{3}", script.read_text(encoding="utf-8")) is None


@pytest.mark.parametrize("name", sorted(set(re.findall(
    r"\b(?:w|words)\.([A-Z][A-Z_]+)\b",
    "".join(p.read_text(encoding="utf-8") for p in [*TEMPLATES.glob("*.html"), *TEMPLATES.parent.glob("*.py")]),
))))  # fmt: skip
def test_every_word_that_is_used_exists(name: str) -> None:
    assert name in {"NAME", "SHAPE", "DEFAULT"} or name in words.load(words.DEFAULT)


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
