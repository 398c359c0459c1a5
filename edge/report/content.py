"""The content tree of the structured report: TID 1500 with highdicom's templates (PS3.16 annex A).

One image-level group says what became of the analysis and by which model. Each hand has a group with its measures,
and so has each calcified region and each joint and tuft that was measured; each lesion has one with its outline on
the image. What people read stands as text under
Qualitative Evaluations (TID 1500 row 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

from edge.report import codes, wording
from edge.report.algorithm import algorithm
from edge.report.device import DeviceId
from edge.report.document import Setting
from edge.report.header import Source
from edge.report.outcome import outcome_code, quality_code
from edge.report.tracked import Tracked
from edge.types import Analysis, Findings, Hand, Joint, Lesion, NotAnalysed, RegionBurden, Side, Tuft

DIGITS_KEPT: Final = 4
"""Decimals of every measured value, the same as in the analysis' JSON (`edge.wire`)."""

_CONTAINS: Final = sr.RelationshipTypeValues.CONTAINS
_ACQUIRED: Final = sr.RelationshipTypeValues.HAS_ACQ_CONTEXT


class Content:
    """Builds the content tree of one report."""

    def __init__(self, setting: Setting, analysis: Analysis, tracked: Sequence[Tracked]) -> None:
        self._source = setting.source
        self._analysis = analysis
        self._tracked = tracked
        self._device = setting.device
        self._uid = setting.uid
        by = algorithm(analysis, setting.device)
        self._algorithm = sr.AlgorithmIdentification(by.name, by.version, [by.told])

    def root(self) -> Dataset:
        """The root container, TID 1500."""
        groups: list[sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations]
        groups = [self._outcome()]
        if isinstance(self._analysis, Findings):
            for hand, label in zip(self._analysis.hands, wording.hand_labels(self._analysis.hands), strict=True):
                groups += self._hand(hand, label)
            groups += [self._lesion(self._analysis, item) for item in self._tracked]
        report = sr.MeasurementReport(
            observation_context=sr.ObservationContext(observer_device_context=observer(self._device)),
            procedure_reported=codes.IMAGING_PROCEDURE,
            imaging_measurements=groups,
        )
        root: Dataset = report[0]
        if (library := _image_library(self._source)) is not None:
            root.ContentSequence.insert(len(root.ContentSequence) - 1, library)  # before the measurements
        root.ContentSequence.append(self._words())
        return root

    def _outcome(self) -> sr.MeasurementsAndQualitativeEvaluations:
        analysis = self._analysis
        evaluations = [(codes.SUMMARY_OF_DETECTIONS, outcome_code(analysis))]
        if (quality := quality_code(analysis)) is not None:
            evaluations.append((codes.QUALITY_ASSESSMENT, quality))
        if isinstance(analysis, NotAnalysed):
            evaluations.append((codes.NOT_ANALYSED_REASON, codes.reason(analysis.reason.code)))
        evaluations += [(codes.QUALITY_ISSUE, issue) for issue in codes.quality_issues(analysis.quality)]
        measures = []
        if isinstance(analysis, Findings):
            measures.append(_number(codes.NUMBER_OF_FINDINGS, len(wording.reported(analysis)), codes.NO_UNITS))
        return self._group("ANALYSIS", None, measures, evaluations, whole_image=True)

    def _hand(self, hand: Hand, label: str) -> Iterable[sr.MeasurementsAndQualitativeEvaluations]:
        burden = _number(codes.BURDEN_HAND, hand.burden_index, codes.NO_UNITS)
        yield self._group(f"{label}-HAND", _site(codes.HAND, hand.side), [burden])
        for name, region in hand.regions.items():
            if region.calcified_mm2 <= 0:  # forty groups of zeros would hide the few that matter
                continue
            yield self._group(f"{label}-{name}", _site(codes.site(name), hand.side, name), _region(region))
        for name, joint in hand.joints.items():
            if measures := _joint(joint):
                yield self._group(f"{label}-{name}", _site(codes.site(name), hand.side, name), measures)
        for name, tuft in hand.tufts.items():
            if measures := _tuft(tuft):
                yield self._group(f"{label}-{name}-TUFT", _site(codes.site(name), hand.side, name), measures)

    def _lesion(self, findings: Findings, item: Tracked) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
        lesion = item.lesion
        region = sr.ImageRegion(
            graphic_type=sr.GraphicTypeValues.POLYLINE,
            graphic_data=outline(lesion),
            source_image=sr.SourceImageForRegion(self._source["SOPClassUID"], self._source["SOPInstanceUID"]),
        )
        measures = [
            _number(codes.DENSITY_GRADE, lesion.density_grade, codes.NO_UNITS),
            _number(codes.BODIES, lesion.bodies, codes.NO_UNITS),
            _number(codes.CERTAINTY_PERCENT, 100.0 * round(lesion.score, DIGITS_KEPT), codes.PERCENT),
        ]
        if findings.image.mm_per_pixel is not None:
            measures += [
                _number(codes.AREA, lesion.area_mm2, codes.SQUARE_MILLIMETRE),
                _number(codes.LONG_AXIS, lesion.long_axis_mm, codes.MILLIMETRE),
            ]
        evaluations = [
            (codes.CERTAINTY, codes.CERTAINTIES[lesion.certainty]),
            (codes.CALCIFICATION_TYPE, codes.TYPES[lesion.type]),
            (codes.CALCIFICATION_DISTRIBUTION, codes.DISTRIBUTIONS[lesion.distribution]),
        ]
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=item.uid, identifier=item.name),
            referenced_region=region,
            finding_type=codes.CALCIFICATION,
            finding_sites=[_site(codes.site(lesion.region), findings.hands[lesion.hand].side, lesion.region)],
            algorithm_id=self._algorithm,
            measurements=measures,
            qualitative_evaluations=_evaluations(evaluations),
        )

    def _group(
        self,
        name: str,
        site: sr.FindingSite | None,
        measures: Sequence[sr.Measurement],
        evaluations: Sequence[tuple[Code, Code]] = (),
        *,
        whole_image: bool = False,
    ) -> sr.MeasurementsAndQualitativeEvaluations:
        image = None
        if whole_image and self._source.rows is not None:
            image = [sr.SourceImageForMeasurementGroup(self._source["SOPClassUID"], self._source["SOPInstanceUID"])]
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=self._uid(), identifier=name),
            finding_sites=None if site is None else [site],
            algorithm_id=self._algorithm,
            measurements=measures,
            qualitative_evaluations=_evaluations(evaluations),
            source_images=image,
        )

    def _words(self) -> sr.ContainerContentItem:
        told = [(codes.SUMMARY, text) for text in wording.summary(self._analysis)]
        told += [(codes.COMMENT, text) for text in (*wording.comments(self._analysis), *self._source.notes)]
        items = [sr.TextContentItem(name=name, value=text, relationship_type=_CONTAINS) for name, text in told]
        return _container(codes.QUALITATIVE_EVALUATIONS, items)


def outline(lesion: Lesion) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The lesion's outline as SCOORD wants it: (n, 2) columns and rows, closed.

    SCOORD counts from the corner of the first pixel, we from its centre (PS3.3 C.18.6.1.2): hence the half.
    """
    points = np.asarray([*lesion.polygon, lesion.polygon[0]], dtype=np.float64)
    return points + 0.5


def _region(region: RegionBurden) -> list[sr.Measurement]:
    return [
        _number(codes.CALCIFIED_AREA, region.calcified_mm2, codes.SQUARE_MILLIMETRE),
        _number(codes.SOFT_TISSUE_AREA, region.soft_tissue_mm2, codes.SQUARE_MILLIMETRE),
        _number(codes.DENSITY_GRADE, region.density_grade, codes.NO_UNITS),
        _number(codes.BURDEN_REGION, region.burden, codes.NO_UNITS),
    ]


def _joint(joint: Joint) -> list[sr.Measurement]:
    measures = []
    if joint.space_mm is not None:
        measures.append(_number(codes.JOINT_SPACE, joint.space_mm, codes.MILLIMETRE))
    if joint.narrowing_grade is not None:
        measures.append(_number(codes.NARROWING_GRADE, joint.narrowing_grade, codes.NO_UNITS))
    return measures


def _tuft(tuft: Tuft) -> list[sr.Measurement]:
    if tuft.osteolysis_grade is None:
        return []
    measures = [_number(codes.OSTEOLYSIS_GRADE, tuft.osteolysis_grade, codes.NO_UNITS)]
    if tuft.score is not None:
        measures.append(_number(codes.CERTAINTY_PERCENT, 100.0 * round(tuft.score, DIGITS_KEPT), codes.PERCENT))
    return measures


def _number(name: Code, value: float, unit: Code) -> sr.Measurement:
    return sr.Measurement(name, value if isinstance(value, int) else round(value, DIGITS_KEPT), unit)


def _evaluations(pairs: Sequence[tuple[Code, Code]]) -> list[sr.QualitativeEvaluation]:
    return [sr.QualitativeEvaluation(name, value) for name, value in pairs]


def _site(structure: Code, side: Side, part: str | None = None) -> sr.FindingSite:
    return sr.FindingSite(
        structure,
        laterality=codes.SIDES.get(side),
        topographical_modifier=None if part is None else codes.place(part),
    )


def observer(device: DeviceId) -> sr.ObserverContext:
    """The appliance as the observer (TID 1002, TID 1004)."""
    return sr.ObserverContext(
        observer_type=dictionary.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=device.uid,
            name="calcedge",
            manufacturer_name=device.manufacturer,
            model_name=device.model,
            serial_number=device.serial,
        ),
    )


def _image_library(source: Source) -> sr.ContainerContentItem | None:
    """TID 1600 with the one image: what it is and how large; None for what is no image or has no coded modality."""
    modality = codes.MODALITIES.get(source["Modality"])
    if modality is None or source.rows is None or source.columns is None:
        return None
    image = sr.ImageContentItem(
        name=codes.SOURCE,
        referenced_sop_class_uid=source["SOPClassUID"],
        referenced_sop_instance_uid=source["SOPInstanceUID"],
        relationship_type=_CONTAINS,
    )
    image.ContentSequence = sr.ContentSequence(
        [
            sr.CodeContentItem(codes.MODALITY, modality, _ACQUIRED),
            sr.NumContentItem(codes.ROWS, source.rows, codes.PIXELS, relationship_type=_ACQUIRED),
            sr.NumContentItem(codes.COLUMNS, source.columns, codes.PIXELS, relationship_type=_ACQUIRED),
        ],
    )
    return _container(codes.IMAGE_LIBRARY, [_container(codes.IMAGE_LIBRARY_GROUP, [image])])


def _container(name: Code, items: Sequence[sr.ContentItem]) -> sr.ContainerContentItem:
    container = sr.ContainerContentItem(name=name, relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(items)
    return container
