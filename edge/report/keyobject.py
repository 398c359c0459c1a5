"""The film as a key image (Key Object Selection, TID 2010), so that a reader's worklist shows that something was found.

It selects the image, to be shown with the outlines of the presentation state where there is one, and repeats the
outcome in words. It exists only when there is a finding: a film without one is in no selection.
"""

from __future__ import annotations

from highdicom.ko import KeyObjectSelection
from pydicom.dataset import Dataset

from edge.report import codes, wording
from edge.report.content import observer
from edge.report.document import Setting, new_object
from edge.report.references import evidence, instance, put_requests
from edge.types import Findings


def key_object(setting: Setting, findings: Findings, state: Dataset | None) -> Dataset:
    """The selection as a dataset. `state` is the presentation state made of the same findings, if there is one."""
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = setting.source["SOPClassUID"], setting.source["SOPInstanceUID"]
    film.Rows = film.Columns = 1  # tells highdicom that it is an image
    described = f"{wording.headline(findings)}. {wording.UNVERIFIED}"
    content = KeyObjectSelection(codes.OF_INTEREST, [film], None, observer(setting.device), described)
    root: Dataset = content[0]
    siblings = []
    if state is not None:
        root.ContentSequence[-1].ReferencedSOPSequence[0].ReferencedSOPSequence = [instance(state)]
        siblings.append(state)
    ds = new_object(setting, "key-object")
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.CurrentRequestedProcedureEvidenceSequence = [evidence(setting.source, *siblings)]
    put_requests(ds, setting.source)
    for element in root:
        ds.add(element)
    return ds
