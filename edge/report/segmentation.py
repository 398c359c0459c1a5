"""The lesions as a binary segmentation of the source (PS3.3 A.51), one frame for each segment.

Each lesion is a segment with the tracking identifier and UID it has in the structured report. Where that would take
more than `MOST_BYTES`, the lesions of one hand and certainty share a segment: a film full of spots must not fill the
archive. The frames lie pixel on pixel on the source, which has no frame of reference of its own.

The segments are described with highdicom's template; the frames are our own, because highdicom's writer looks at
every pixel of every frame, which takes a third of a second on a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from edge.report import codes, masks, wording
from edge.report.algorithm import algorithm
from edge.report.document import Setting, new_object, put_compression
from edge.report.panels import COLOURS
from edge.report.references import referenced, source_series
from edge.report.tracked import Tracked
from edge.types import Certainty, Findings

MOST_BYTES: Final = 16 * 2**20
"""Most bytes of one segmentation's frames."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Lesions that share a frame: mostly one."""

    name: str
    uid: str
    certainty: Certainty
    site: Code
    lesions: tuple[Tracked, ...]


def segmentation(setting: Setting, findings: Findings, tracked: Sequence[Tracked], size: tuple[int, int]) -> Dataset:
    """The segmentation as a dataset. `size` is rows and columns of the source; `tracked` is not empty."""
    rows, columns = size
    segments = segments_of(setting, findings, tracked, rows * columns)
    ds = new_object(setting, "segmentation")
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.PatientOrientation = []
    ds.ContentLabel = "CALCIFICATION"
    ds.ContentDescription = "Suggestive of calcification; automated, unverified"
    ds.ContentCreatorName = ""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.NumberOfFrames = len(segments)
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelRepresentation = 0
    ds.LossyImageCompression = "00"
    put_compression(ds, setting.source)
    ds.SegmentationType = "BINARY"
    ds.SegmentSequence = _descriptions(setting, findings, segments)
    ds.ReferencedSeriesSequence = [source_series(setting.source, tag="ReferencedInstanceSequence")]
    _put_frames(ds, setting, len(segments))
    marked = [
        np.unique(np.concatenate([masks.inside(item.lesion.polygon, rows, columns) for item in segment.lesions]))
        for segment in segments
    ]
    ds.PixelData = masks.packed(marked, rows * columns)
    ds["PixelData"].VR = "OB"
    return ds


def segments_of(setting: Setting, findings: Findings, tracked: Sequence[Tracked], pixels: int) -> tuple[Segment, ...]:
    """The segments: one for each lesion, or, where that is too much, one for each hand and certainty."""
    if len(tracked) * pixels <= MOST_BYTES * 8:
        return tuple(
            Segment(item.name, item.uid, item.lesion.certainty, codes.site(item.lesion.region), (item,))
            for item in tracked
        )
    shared: dict[tuple[int, Certainty], list[Tracked]] = {}
    for item in tracked:
        shared.setdefault((item.lesion.hand, item.lesion.certainty), []).append(item)
    labels = wording.hand_labels(findings.hands)
    return tuple(
        Segment(f"{labels[hand]}-{certainty.upper()}", setting.uid(), certainty, codes.HAND, tuple(items))
        for (hand, certainty), items in shared.items()
    )


def _descriptions(setting: Setting, findings: Findings, segments: Sequence[Segment]) -> list[Dataset]:
    by = algorithm(findings, setting.device)
    identified = AlgorithmIdentificationSequence(
        by.name, codes.ARTIFICIAL_INTELLIGENCE, by.version, setting.device.manufacturer, dict(by.parameters)
    )
    colours = {certainty: CIELabColor.from_rgb(*rgb) for certainty, rgb in COLOURS.items()}
    return [
        SegmentDescription(
            number,
            f"{segment.name} {segment.certainty}",
            codes.ABNORMAL_STRUCTURE,
            codes.CALCIFICATION,
            SegmentAlgorithmTypeValues.AUTOMATIC,
            identified,
            tracking_uid=segment.uid,
            tracking_id=segment.name,
            anatomic_regions=[segment.site],
            display_color=colours[segment.certainty],
        )
        for number, segment in enumerate(segments, 1)
    ]


def _put_frames(ds: Dataset, setting: Setting, count: int) -> None:
    """Which segment each frame shows, and that all lie on the source (PS3.3 C.7.6.16, C.7.6.17)."""
    organization, dimension = Dataset(), Dataset()
    organization.DimensionOrganizationUID = dimension.DimensionOrganizationUID = setting.uid()
    dimension.DimensionIndexPointer = Tag("ReferencedSegmentNumber")
    dimension.FunctionalGroupPointer = Tag("SegmentIdentificationSequence")
    dimension.DimensionDescriptionLabel = "Segment"
    ds.DimensionOrganizationSequence = [organization]
    ds.DimensionIndexSequence = [dimension]
    ds.SharedFunctionalGroupsSequence = [Dataset()]
    ds.PerFrameFunctionalGroupsSequence = [_frame(setting, number) for number in range(1, count + 1)]


def _frame(setting: Setting, number: int) -> Dataset:
    groups, content, segment = Dataset(), Dataset(), Dataset()
    content.DimensionIndexValues = [number]
    segment.ReferencedSegmentNumber = number
    groups.FrameContentSequence = [content]
    groups.SegmentIdentificationSequence = [segment]
    groups.DerivationImageSequence = [_from_source(setting)]  # in each frame: readers look for it there
    return groups


def _from_source(setting: Setting) -> Dataset:
    derivation, image = Dataset(), referenced(setting.source)
    image.SpatialLocationsPreserved = "YES"
    image.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.SOURCE_FOR_PROCESSING)]
    derivation.SourceImageSequence = [image]
    derivation.DerivationCodeSequence = [CodedConcept.from_code(codes.SEGMENTATION)]
    return derivation
