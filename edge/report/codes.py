"""Every code that a report uses.

Where DICOM's own dictionary has the concept, its code is used; where it has none, ours, in the private scheme
`99CALCEDGE`. `docs/report.md` lists the private ones and a test compares the two.

A trap to stay clear of: SNOMED 53075003, found in public lists as "distal phalanx of index finger", is the hallux.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pydicom.sr.coding import Code

from edge.types import JOINTS, REGIONS, Certainty, Distribution, LesionType, QualityNote, Side

SCHEME: Final = "99CALCEDGE"
SCHEME_NAME: Final = "calcedge private codes"


def private(value: str, meaning: str) -> Code:
    """A code of our own scheme."""
    return Code(value, SCHEME, meaning)


# -- units ---------------------------------------------------------------------------------------------------------
MILLIMETRE: Final = Code("mm", "UCUM", "millimeter")
SQUARE_MILLIMETRE: Final = Code("mm2", "UCUM", "square millimeter")
PERCENT: Final = Code("%", "UCUM", "percent")
NO_UNITS: Final = Code("1", "UCUM", "no units")
PIXELS: Final = Code("{pixels}", "UCUM", "Pixels")

# -- the frame of the report ---------------------------------------------------------------------------------------
IMAGING_PROCEDURE: Final = Code("363679005", "SCT", "Imaging procedure")
QUALITATIVE_EVALUATIONS: Final = Code("C0034375", "UMLS", "Qualitative Evaluations")
SUMMARY: Final = Code("121111", "DCM", "Summary")
COMMENT: Final = Code("121106", "DCM", "Comment")
IMAGE_LIBRARY: Final = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP: Final = Code("126200", "DCM", "Image Library Group")
SOURCE: Final = Code("260753009", "SCT", "Source")
MODALITY: Final = Code("121139", "DCM", "Modality")
SOURCE_FOR_PROCESSING: Final = Code("121322", "DCM", "Source image for image processing operation")
ROWS: Final = Code("110910", "DCM", "Pixel Data Rows")
COLUMNS: Final = Code("110911", "DCM", "Pixel Data Columns")

MODALITIES: Final[Mapping[str, Code]] = {
    "CR": Code("CR", "DCM", "Computed Radiography"),
    "DX": Code("DX", "DCM", "Digital Radiography"),
    "RG": Code("RG", "DCM", "Radiographic imaging"),
}

# -- what became of the analysis -----------------------------------------------------------------------------------
SUMMARY_OF_DETECTIONS: Final = Code("111064", "DCM", "Summary of Detections")
SUCCEEDED_WITHOUT_FINDINGS: Final = Code("111241", "DCM", "All algorithms succeeded; without findings")
SUCCEEDED_WITH_FINDINGS: Final = Code("111242", "DCM", "All algorithms succeeded; with findings")
PARTLY_WITHOUT_FINDINGS: Final = Code("111243", "DCM", "Not all algorithms succeeded; without findings")
PARTLY_WITH_FINDINGS: Final = Code("111244", "DCM", "Not all algorithms succeeded; with findings")
NOT_ANALYSED: Final = Code("111245", "DCM", "No algorithms succeeded; without findings")
NOT_ANALYSED_REASON: Final = private("reason", "Reason why the image was not analysed")

QUALITY_ASSESSMENT: Final = Code("111050", "DCM", "Quality Assessment")
QUALITY_ISSUE: Final = Code("113010", "DCM", "Quality Issue")
POSITIONING: Final = Code("111209", "DCM", "Positioning")
ARTEFACT: Final = Code("111207", "DCM", "Image artifact(s)")
QUALITY_ISSUES: Final[Mapping[str, Code]] = {
    "clipped-fingertip": POSITIONING,
    "clipped-hand": POSITIONING,
    "clipped-wrist": POSITIONING,
    "metal": ARTEFACT,
}
"""What the standard calls some of our quality notes (CID 7011); each is also told by its own code."""
USABLE: Final = Code("111237", "DCM", "Usable - Meets the quality control standard")
USABLE_WITH_WARNING: Final = Code("111236", "DCM", "Usable - Does not meet the quality control standard")
UNUSABLE: Final = Code("111235", "DCM", "Unusable - Quality renders image unusable")

# -- in FHIR only ----------------------------------------------------------------------------------------------------
FINDING: Final = Code("121071", "DCM", "Finding")
RADIOLOGY_REPORT: Final = Code("11528-7", "LN", "Radiology Report")
LATERALITY: Final = Code("272741003", "SCT", "Laterality")

# -- segmentation, key object ---------------------------------------------------------------------------------------
ABNORMAL_STRUCTURE: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")
SEGMENTATION: Final = Code("113076", "DCM", "Segmentation")
ARTIFICIAL_INTELLIGENCE: Final = Code("123110", "DCM", "Artificial Intelligence")
OF_INTEREST: Final = Code("113000", "DCM", "Of Interest")

# -- a lesion ------------------------------------------------------------------------------------------------------
CALCIFICATION: Final = Code("18115005", "SCT", "Pathologic calcification, calcified structure")
AREA: Final = Code("42798000", "SCT", "Area")
LONG_AXIS: Final = Code("103339001", "SCT", "Long axis")
BODIES: Final = Code("111038", "DCM", "Number of calcifications")
CERTAINTY_PERCENT: Final = Code("111012", "DCM", "Certainty of Finding")
CALCIFICATION_TYPE: Final = Code("111009", "DCM", "Calcification Type")
CALCIFICATION_DISTRIBUTION: Final = Code("111008", "DCM", "Calcification Distribution")

DENSITY_GRADE: Final = private("density-grade", "Density grade 0-3 relative to bone")
CERTAINTY: Final = private("certainty", "Operating point reached by the finding")

CERTAINTIES: Final[Mapping[Certainty, Code]] = {
    "possible": private("possible", "Possible: above the sensitive operating point, unverified"),
    "definite": private("definite", "Definite: above the specific operating point, unverified"),
}
TYPES: Final[Mapping[LesionType, Code]] = {
    "stone": private("type-stone", "Stone-like calcification"),
    "plate": private("type-plate", "Plate-like calcification"),
    "net": private("type-net", "Net-like calcification"),
    "amorphous": Code("129760005", "SCT", "Amorphous calcification"),
}
"""The radiographic classes of hand calcinosis; only the last has a code in DICOM's dictionary."""
DISTRIBUTIONS: Final[Mapping[Distribution, Code]] = {
    "single": Code("129770007", "SCT", "Individual Calcification"),
    "cluster": Code("129769006", "SCT", "Calcification Cluster"),
}

# -- a hand, a region, a joint, a tuft -----------------------------------------------------------------------------
BURDEN_HAND: Final = private("burden-hand", "calcedge burden index of the hand (0-2000)")
BURDEN_REGION: Final = private("burden-region", "calcedge burden of the region (0-100)")
CALCIFIED_AREA: Final = private("calcified-area", "Projected calcified area of the region")
SOFT_TISSUE_AREA: Final = private("soft-tissue-area", "Projected soft tissue area of the region")
JOINT_SPACE: Final = private("joint-space", "Joint space width")
NARROWING_GRADE: Final = private("narrowing-grade", "Suspected joint space narrowing, grade 0-3")
OSTEOLYSIS_GRADE: Final = private("osteolysis-grade", "Suspected tuft resorption, grade 0-4")
NUMBER_OF_FINDINGS: Final = private("findings", "Number of areas above the possible operating point")

HAND: Final = Code("85562004", "SCT", "Hand")
FINGER: Final = Code("7569003", "SCT", "Finger")
THUMB: Final = Code("76505004", "SCT", "Thumb")
METACARPUS: Final = Code("36455000", "SCT", "Metacarpus")
CARPUS: Final = Code("8205005", "SCT", "Carpus")
FINGER_JOINT: Final = Code("125682004", "SCT", "Finger joint")
SIDES: Final[Mapping[Side, Code]] = {
    "L": Code("7771000", "SCT", "Left"),
    "R": Code("24028007", "SCT", "Right"),
}

_SEGMENTS: Final = {
    "DP": "Distal phalanx region",
    "MP": "Middle phalanx region",
    "PP": "Proximal phalanx region",
    "MC": "Metacarpal region",
    "IP": "Interphalangeal joint",
    "DIP": "Distal interphalangeal joint",
    "PIP": "Proximal interphalangeal joint",
    "MCP": "Metacarpophalangeal joint",
}
CARPUS_REGION: Final = private("CARPUS", "Carpal region")


def place(name: str) -> Code:
    """The private code of a region or joint: `DP2`, `CARPUS`, `PIP4`.

    DICOM's dictionary has the hand, the finger and the thumb, and no code for one phalanx or joint of one digit.
    """
    if name == "CARPUS":
        return CARPUS_REGION
    segment, digit = name[:-1], name[-1]
    return private(name, f"{_SEGMENTS[segment]}, digit {digit}")


def site(name: str) -> Code:
    """The standard's code that comes nearest to a region or joint."""
    if name == "CARPUS":
        return CARPUS
    if name.startswith("MC") and name in REGIONS:
        return METACARPUS
    if name not in REGIONS:
        return FINGER_JOINT
    return THUMB if name.endswith("1") else FINGER


def quality_issues(notes: Iterable[QualityNote]) -> tuple[Code, ...]:
    """The notes as codes: the standard's where it has a word, each once, then our own for every note."""
    told = [note.code for note in notes]
    standard = dict.fromkeys(QUALITY_ISSUES[code] for code in told if code in QUALITY_ISSUES)
    return (*standard, *(reason(code) for code in told))


def reason(code: str) -> Code:
    """A refusal code or quality code of ours (`not-a-hand`) as a private code; its sentence stands beside it."""
    return private(code, code.replace("-", " ").capitalize())


def every() -> tuple[Code, ...]:
    """Every code an object may hold, refusal and quality codes aside: what the conformance statement lists."""
    found: dict[tuple[str, str], Code] = {}
    for value in globals().values():
        for code in value.values() if isinstance(value, dict) else (value,):
            if isinstance(code, Code):
                found.setdefault((code.value, code.scheme_designator), code)
    for name in (*REGIONS, *JOINTS):
        found.setdefault((name, SCHEME), place(name))
    return tuple(found.values())
