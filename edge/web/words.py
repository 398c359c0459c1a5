"""Every sentence of the page, in one place: English. Templates and modules hold no words of their own.

The rules of the wording: a suspicion, never a diagnosis; no disease is named; a negative does not exclude; a failure
says that it is one and to read the image as usual; what the machine says is unverified. Sentences that explain a
code stand in `edge.errors`, beside what raises it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGE: Final = "en"
DIRECTION: Final = "ltr"

PRODUCT: Final = "calcedge"
NAV_NOW: Final = "Now"
NAV_IMAGES: Final = "Images"
NAV_ABOUT: Final = "About"
NAV_LABEL: Final = "Pages"
SKIP: Final = "Skip to the content"

UNVERIFIED: Final = "Automated, unverified: a clinician must read the image."
RESEARCH: Final = "Research use. Not a medical device."
NOT_LIVE: Final = "No connection to the appliance. This page is NOT up to date."
NOT_LIVE_DO: Final = "It reconnects by itself. If this stays for a minute, check that the appliance has power."
POLLING: Final = "This page is refreshed every 3 seconds."

# -- the outcome of one image ------------------------------------------------------------------------------------

FINDINGS_HEAD: Final = "Calcification suspected"
FINDINGS_NOTE: Final = "An automated finding, not a diagnosis."
NO_FINDINGS_HEAD: Final = "No area exceeded the alert threshold"
NO_FINDINGS_NOTE: Final = "This does not exclude calcification."
NOT_ANALYSED_HEAD: Final = "NOT ANALYSED"
NOT_ANALYSED_NOTE: Final = "There is no result for this image. Read the image as usual."
PENDING_HEAD: Final = "No result yet"
EMPTY_HEAD: Final = "No image received yet"
EMPTY_NOTE: Final = "Images appear here by themselves when the unit sends them."

OUTCOME_SHORT: Final[Mapping[str, str]] = {
    "findings": "Calcification suspected",
    "no_findings": "No area over threshold",
    "not_analysed": "NOT ANALYSED",
    "pending": "No result yet",
}
SHAPE: Final[Mapping[str, str]] = {
    "findings": "diamond",
    "no_findings": "ring",
    "not_analysed": "octagon",
    "pending": "hourglass",
}
"""Which drawing stands for an outcome. Never a tick: a tick says that all is well, and nobody knows that."""

WAITING: Final[Mapping[str, str]] = {
    "received": "The image has arrived and is being checked.",
    "admitted": "The image waits for its analysis.",
    "working": "The image is being analysed now.",
    "stopped": "The analysis is not running, so this image waits.",
}
EARLIER_RESULT: Final = "It is being analysed again. The earlier result was: {outcome}"

# -- places in a hand ------------------------------------------------------------------------------------------

SIDES: Final[Mapping[str, str]] = {"L": "Left", "R": "Right", "U": ""}
HANDS: Final[Mapping[str, str]] = {"L": "Left hand", "R": "Right hand", "U": "Hand, side unknown"}
FINGERS: Final[Mapping[int, str]] = {
    1: "thumb",
    2: "index finger",
    3: "middle finger",
    4: "ring finger",
    5: "little finger",
}
BONES: Final[Mapping[str, str]] = {
    "DP": "end phalanx",
    "MP": "middle phalanx",
    "PP": "base phalanx",
    "MC": "metacarpal",
}
JOINT_NAMES: Final[Mapping[str, str]] = {
    "IP": "thumb joint",
    "DIP": "end joint",
    "PIP": "middle joint",
    "MCP": "base joint",
}
SIDE_UNKNOWN: Final = "side unknown"

# -- findings --------------------------------------------------------------------------------------------------

CERTAINTY: Final[Mapping[str, str]] = {"definite": "Definite", "possible": "Possible"}
CERTAINTY_LINE: Final[Mapping[str, str]] = {"definite": "solid outline", "possible": "dashed outline"}
LESION_TYPES: Final[Mapping[str, str]] = {
    "stone": "round",
    "plate": "plate-like",
    "net": "net-like",
    "amorphous": "shapeless",
}
DENSITIES: Final[Mapping[int, str]] = {1: "1 of 3 (faint)", 2: "2 of 3 (like bone)", 3: "3 of 3 (denser than bone)"}
COLUMN_NUMBER: Final = "No."
COLUMN_PLACE: Final = "Where"
COLUMN_CERTAINTY: Final = "How sure"
COLUMN_SIZE: Final = "Size"
COLUMN_LOOKS: Final = "Looks"
COLUMN_DENSITY: Final = "Density"
LESIONS: Final = "Marked areas"
LEGEND: Final = "Solid outline: definite. Dashed outline: possible."
SESAMOID_NOTE: Final = "Normal small bones (sesamoids) are left out by their place only."
IGNORED: Final = "Seen and left out"
IGNORED_KINDS: Final[Mapping[str, str]] = {"sesamoid": "normal small bone (sesamoid)"}
SHOW_MARKS: Final = "Show marks"
HIDE_MARKS: Final = "Hide marks"
MARKS_HIDDEN: Final = "Marks are hidden"
SHOW_IGNORED: Final = "Show what was left out"
HIDE_IGNORED: Final = "Hide what was left out"
PICTURE_MISSING: Final = "The picture can't be shown."
PICTURE_LATER: Final = "The picture comes with the result."
NO_PICTURE: Final = "There is no picture of this image. Look at it on the unit."
CLOSE_UPS: Final = "Close-ups"
OPEN_IMAGE: Final = "Look closer"
JOINTS: Final = "Joint spaces and fingertips (suspected)"
JOINTS_NOTE: Final = "Narrow joint spaces are common with age and have many causes."
NO_SIGNS: Final = "None suspected."
ALSO: Final = "Also suspected: "

SIZE_UNKNOWN: Final = "size not known"

BURDEN: Final = "Burden index"
BURDEN_NOTE: Final = (
    "The burden index (0 to 2000 for each hand) is calcedge's own and equals no published score. For each region: "
    "calcified area in percent of the soft tissue x density grade / 3, summed."
)
BURDEN_REGION: Final = "Region"
BURDEN_CALCIFIED: Final = "Calcified"
BURDEN_SOFT_TISSUE: Final = "Soft tissue"
BURDEN_SHARE: Final = "Burden"
SCALE: Final[Mapping[str, str]] = {
    "PixelSpacing": "Sizes: by the image's own scale.",
    "ImagerPixelSpacing": "Sizes: at the detector. In the hand they are slightly smaller.",
    "NominalScannedPixelSpacing": "Sizes: by the scanner's scale of a digitised film.",
    "estimated": "Sizes are ESTIMATED: the image does not state its scale.",
    "unknown": "Sizes are NOT KNOWN: the image does not state its scale.",
}

# -- quality, exposure, way ------------------------------------------------------------------------------------

QUALITY: Final = "Image quality"
QUALITY_OK: Final = "No quality problem was noticed."
QUALITY_UNKNOWN: Final = "Image quality was not judged."
SEVERITY: Final[Mapping[str, str]] = {"warning": "Warning", "note": "Note"}
PATIENT_UNKNOWN: Final = "No patient name in the image"
PATIENT_UNREAD: Final = "Patient not known: the image's header was not read"
PATIENT_ID: Final = "ID"
BORN: Final = "born"
RECEIVED_AT: Final = "Received"
CLOCK_UNCHECKED: Final = "clock not checked against a time source"
CONFLICTING: Final = "Another image has the same identifier. Read both images."

STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    "done": {
        "received": "Received",
        "admitted": "Checked",
        "analysed": "Analysed",
        "reported": "Reported",
        "delivered": "Delivered",
    },
    "now": {
        "admitted": "Checking...",
        "analysed": "Analysing...",
        "reported": "Reporting...",
        "delivered": "Delivering...",
    },
    "todo": {"analysed": "Analysis", "reported": "Report", "delivered": "Delivery"},
    "failed": {"admitted": "Refused", "analysed": "NOT analysed", "delivered": "NOT delivered"},
}
STEP_STATES: Final[Mapping[str, str]] = {"done": "done", "now": "in progress", "todo": "to come", "failed": "failed"}
PROGRESS: Final = "Way of this image"
DELIVERY: Final[Mapping[str, str]] = {
    "confirmed": "confirmed",
    "sent": "sent, not yet confirmed",
    "queued": "waiting to be sent",
    "held": "HELD: needs a person",
    "failing": "NOT sent, tried again by itself",
}
DELIVERY_NONE: Final = "Nothing was sent yet."
DELIVERIES: Final = "Deliveries"
PARCEL_KINDS: Final[Mapping[str, str]] = {
    "original": "image",
    "structured-report": "report",
    "overlay": "marked picture",
}
QUEUE: Final = "Queue"
QUEUE_IMAGES: Final = "Images to analyse"
QUEUE_TO_SEND: Final = "to send"
QUEUE_SENT: Final = "sent"
QUEUE_CONFIRMED: Final = "confirmed"
QUEUE_HELD: Final = "held"

EXPOSURES: Final = "Last exposures"
NO_EXPOSURES: Final = "The unit has told of no exposure yet."
NO_UNIT_LINK: Final = "No link to a unit is set up: exposures are not shown."
AWAITED: Final = "The image of the exposure at {at} has not arrived."
AWAITED_BELOW: Final = "Shown below: the image BEFORE it."
MATCHED: Final = "image {id}"
AMBIGUOUS: Final = "image uncertain: {ids}"
WITHOUT_IMAGE: Final = "no image"
MATCH: Final[Mapping[str, str]] = {
    "pending": "Exposure: being looked for",
    "matched": "Exposure: matched",
    "ambiguous": "Exposure: AMBIGUOUS, more than one fits",
    "unmatched": "Exposure: none matches",
}
END_CODES: Final[Mapping[int, str]] = {
    0: "how it ended is not known",
    1: "",
    2: "ENDED EARLY: button released",
    3: "ended by automatic exposure control",
    4: "ENDED BY A FAULT",
    5: "POWER WAS LOST",
}

EARLIER: Final = "Earlier images"
IMAGE_LABEL: Final = "Image"
NEWER: Final = "Newer"
OLDER: Final = "Older"
NO_IMAGES: Final = "No images."
BACK: Final = "Back"

# -- the unit and the parts ------------------------------------------------------------------------------------

UNIT: Final = "X-ray unit"
UNIT_STATES: Final[Mapping[str, str]] = {
    "unknown": "state unknown",
    "initialising": "starting",
    "standby": "standby",
    "prep": "preparing",
    "ready": "READY to expose",
    "exposing": "X-RAY ON",
    "wait-release": "release the button",
    "shutdown": "switching off",
    "error": "FAULT",
    "service": "service mode",
}
LINKS: Final[Mapping[str, str]] = {
    "up": "linked",
    "degraded": "link is poor",
    "down": "LINK SILENT",
    "absent": "CABLE ABSENT",
    "off": "no link set up",
    "process-down": "LINK NOT RUNNING",
}
INTERLOCK_OPEN: Final = "interlock open"
ANALYSIS: Final = "Analysis"
ANALYSIS_STATES: Final[Mapping[str, str]] = {
    "ready": "ready",
    "working": "working",
    "stopped": "NOT WORKING",
    "loading": "loading",
}
RECEIVER: Final = "Receiving"
RECEIVER_STATES: Final[Mapping[str, str]] = {
    "listening": "ready",
    "receiving": "image arriving",
    "refusing": "IMAGES REFUSED",
    "stopped": "NOT WORKING",
}
DELIVERY_LABEL: Final = "Delivery"
DELIVERY_STATES: Final[Mapping[str, str]] = {
    "idle": "all delivered",
    "waiting": "{n} waiting",
    "troubled": "{n} NOT DELIVERED",
    "failing": "NO ANSWER",
    "stopped": "NOT WORKING",
}
SERVICES: Final[Mapping[str, str]] = {
    "bridge": "Link to the X-ray unit",
    "dicom": "Receiving and delivery",
    "analyze": "Analysis",
}

# -- problems and actions --------------------------------------------------------------------------------------

PROBLEMS: Final = "What is wrong and what to do"
NO_PROBLEMS: Final = "Nothing is wrong with the appliance."
DO: Final = "Do"
HELP: Final = "More"
SEND_AGAIN: Final = "Send again"
ANALYSE_AGAIN: Final = "Analyse again"
PENDING_ACTION: Final = "Asking..."
ACTION_DONE: Final = "Done"
ACTION_FAILED: Final = "NOT done"
ANALYSE_ASKED: Final = "The image will be analysed again."
ANALYSE_NOT_POSSIBLE: Final = "This image is still on its way, or is not known: nothing was changed."
SEND_NOTHING: Final = "None of these waits any more: nothing was changed."
ACTION_NO_ANSWER: Final = "The appliance did not answer. Try again."

UNKNOWN_PROBLEM: Final = "Something is wrong that this page has no words for ({code})."
UNKNOWN_PROBLEM_DO: Final = "Read images as usual and call service."

# -- pages about pages -----------------------------------------------------------------------------------------

ERROR_TITLE: Final = "Help for a message"
ERROR_CODE: Final = "Code"
ERRORS_ALL: Final = "All messages"
PAGE_NOT_FOUND: Final = "There is no such page."
PAGE_NOT_FOUND_DO: Final = "Go back to 'Now'."
PAGE_REFUSED: Final = "This request was not made from the appliance's own page, or the page is out of date."
PAGE_REFUSED_DO: Final = "Open 'Now' and try again."
PAGE_FAILED: Final = "This page could not be made."
PAGE_FAILED_DO: Final = "Images and results are safe. Read images as usual. Try again; if it stays, call service."

ABOUT_TITLE: Final = "About calcedge"
ABOUT_LEARNED: Final = (
    "The model learned from a phantom: hands computed with the physics of X-rays. It has never seen a real case. How "
    "often it is right or wrong in patients is not known."
)
ABOUT_MARKS: Final = (
    "It marks places that look denser than soft tissue should. It does not say why, and it makes no diagnosis. A film "
    "without a mark does not exclude calcification."
)
ABOUT_USE: Final = (
    "Research use. Not a medical device. What it says is automated and unverified: a clinician must read every image."
)
ABOUT_VERSIONS: Final = "Versions"
ABOUT_SOFTWARE: Final = "Software"
ABOUT_MODEL: Final = "Model"
ABOUT_MODEL_HASH: Final = "Model's fingerprint (SHA-256)"
ABOUT_MODEL_UNKNOWN: Final = "not loaded"
ABOUT_DEVICE: Final = "Appliance"
ABOUT_UNIT_FIRMWARE: Final = "X-ray unit's firmware"
ABOUT_NOT_KNOWN: Final = "not known"
ABOUT_LICENCES: Final = "Licences"
ABOUT_LICENCE_OWN: Final = "calcedge is free software under the Apache License 2.0. It stands on these works:"
VERSIONS: Final = "Made by"
ANALYSIS_JSON: Final = "This analysis as JSON"
IMAGE_FACTS: Final = "{columns} x {rows} pixels"
MM_PER_PIXEL: Final = "{mm:.3f} mm each"
ANALYSED_AT: Final = "Analysed"
