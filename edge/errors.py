"""Every way in which calcedge can say no.

A `Reason` is what a person reads: a code that never changes, one sentence that says what happened, and what to
do next. `REASONS` is the whole vocabulary; `docs/errors.md` has one entry for each and a test compares the two.

    CalcedgeError                 carries a Reason
    +-- Refused                   this input can't be analysed: ends as `NotAnalysed`, never as "no finding"
    +-- StoreError                the durable store can't take or give something
    +-- ReportError               a report object doesn't say what it must: it does not leave
    +-- DeliveryError             a destination didn't take an object (now, or ever)
    +-- ConfigError               the configuration can't be used
    +-- ModelError                the model bundle can't be used, or isn't what it was proven to be
    +-- UpdateError               an update is not taken; what runs goes on running
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reason:
    """What happened and what to do next, in words for a technician."""

    code: str
    text: str
    do: str


def _vocabulary(*reasons: Reason) -> dict[str, Reason]:
    table = {reason.code: reason for reason in reasons}
    assert len(table) == len(reasons), "a code stands for one thing"
    return table


REASONS: Final[dict[str, Reason]] = _vocabulary(
    # -- the file ------------------------------------------------------------------------------------------
    Reason("not-dicom", "This file is not a DICOM object.", "Send the image again as DICOM, or wrap the picture first (calcedge wrap)."),
    Reason("not-a-picture", "This file is not a picture that can be wrapped.", "Give a PNG, TIFF or JPEG of one radiograph, 8 or 16 bit grey."),
    Reason("not-writable", "The file can't be written.", "Choose a folder that exists, has room and may be written."),
    Reason("truncated", "The file ends before its content does.", "Send the image again from the unit."),
    Reason("unsupported-encoding", "The pixels are stored in an encoding that is not supported.", "Set the unit to send uncompressed images or a common lossless encoding."),
    Reason("damaged-pixels", "The pixel data is damaged and can't be decoded.", "Send the image again from the unit; if it happens again, call service."),
    Reason("too-large", "The image is larger than any hand radiograph.", "Check that the right image was sent."),
    Reason("too-small", "The image has too few pixels to show a hand in useful detail.", "Send the full-size image, not a preview."),
    Reason("multi-frame", "The object holds several frames; a radiograph holds one.", "Send the single radiograph."),
    Reason("not-a-radiograph", "This object is not a projection radiograph.", "Send the hand radiograph; other objects are kept but not analysed."),
    Reason("missing-identity", "The object lacks the identifiers that tie a report to it.", "Check the unit's DICOM set-up; read the image as usual."),
    Reason("conflicting-duplicate", "Another image with the same identifier and other content was received before.", "Both are kept. Ask service why the unit reused an identifier, and read both images."),
    # -- the picture ---------------------------------------------------------------------------------------
    Reason("not-a-hand", "No hand was recognised in this image.", "If it shows a hand, read it as usual and report the miss; if not, nothing is needed."),
    Reason("unusable-image", "The image can't be used: too dark, too bright, blank or cut off.", "Repeat the exposure if the clinician agrees; read the image as usual."),
    # -- the analysis --------------------------------------------------------------------------------------
    Reason("deadline", "The analysis took too long and was stopped.", "Read the image as usual. Try 'Analyse again' once; if it happens again, call service."),
    Reason("model-unavailable", "The detector's model can't be loaded or failed its self-test.", "Read images as usual and call service: nothing is analysed until it is mended."),
    Reason("analysis-failed", "The analysis stopped with an internal error.", "Read the image as usual and send a support bundle to service."),
    # -- the store -----------------------------------------------------------------------------------------
    Reason("disk-full", "The appliance's disk is nearly full; new images are refused.", "Keep the images on the unit. Check that the archive is reachable, then call service."),
    Reason("object-missing", "A stored object is not where it must be.", "Call service: the disk may be failing."),
    Reason("object-corrupt", "A stored object differs from what was received.", "Call service: the disk may be failing. Send the image again from the unit."),
    Reason("store-unusable", "The store can't be opened.", "Call service. Keep the images on the unit."),
    # -- report and delivery -------------------------------------------------------------------------------
    Reason("report-mismatch", "A report object doesn't carry the identity of its image and was not sent.", "Read the image as usual and call service."),
    Reason("report-failed", "The report could not be made from the analysis.", "The findings are on this page; read the image as usual and call service."),
    Reason("destination-unreachable", "The archive doesn't answer.", "Check the network cable and the archive. It is tried again by itself; nothing is lost."),
    Reason("destination-refused", "The archive doesn't accept connections from this appliance.", "Ask the archive's admin to allow this appliance's title and address. It is tried again by itself."),
    Reason("destination-tls", "The secure connection to the archive can't be made.", "Ask the admins of both sides to check the certificates and their names. It is tried again by itself."),
    Reason("destination-no-context", "The archive doesn't take this kind of object.", "Ask the archive's admin to allow the kind of object named. The object is held here."),
    Reason("destination-rejected", "The archive received the object and refused it.", "Ask the archive's admin with the status shown. The object is held here; 'Send again' tries once more."),
    Reason("destination-broke-off", "The connection to the archive broke off while the object was sent.", "Nothing to do: it is tried again by itself. If the object is held, ask the archive's admin why its node ends there."),
    Reason("destination-lost", "The archive took the object and no longer has it.", "Nothing to do: it is sent again by itself. Tell the archive's admin."),
    Reason("destination-busy", "The archive is out of resources.", "Nothing to do: it is tried again by itself."),
    Reason("destination-unconfirmed", "The archive took the object but doesn't show it yet.", "Nothing to do: it is asked again by itself."),
    Reason("destination-folder", "The destination folder can't be written.", "Check that the drive is plugged in and has room. It is tried again by itself."),
    Reason("worklist-unreachable", "The clinic's worklist can't be read.", "Orders read before can still be picked. Check the network; it is asked again by itself."),
    Reason("mpps-rejected", "The clinic's system refused the message that tells what was done.", "Ask its admin with the status shown. Images and reports are not concerned."),
    # -- the unit ------------------------------------------------------------------------------------------
    Reason("unit-silent", "The X-ray unit's serial link is silent.", "Check the cable between the unit and the appliance. Images still arrive and are analysed."),
    Reason("unit-absent", "The X-ray unit's serial port is not there.", "Plug in the cable between the unit and the appliance. Images still arrive and are analysed."),
    Reason("unit-port-busy", "The X-ray unit's serial port is in use by another program, or may not be opened.", "Call service. Images still arrive and are analysed."),
    Reason("unit-incompatible", "The X-ray unit speaks a version of the link that this appliance doesn't know.", "Call service: the unit or the appliance needs an update. Images still arrive and are analysed."),
    Reason("unit-other", "Another X-ray unit than the expected one is connected.", "Check that the cable leads to the right unit. Its exposures are kept apart and matched to no image."),
    Reason("unit-wrong-speed", "The X-ray unit's serial link carries bytes that make no sense.", "Call service: the line's speed or the unit's kind is set up wrongly. Images still arrive and are analysed."),
    Reason("unit-not-understood", "The X-ray unit answers in a way that its profile doesn't explain.", "Call service: another kind of unit is set up than is connected. Images still arrive and are analysed."),
    Reason("unit-hot", "The X-ray unit's tube is hot.", "Wait before the next exposure; follow the unit's manual."),
    Reason("unit-battery-low", "The X-ray unit's battery is low.", "Connect the unit to the mains."),
    Reason("unit-fault", "The X-ray unit reports a fault.", "Read the unit's own display and follow its manual."),
    # -- the site ------------------------------------------------------------------------------------------
    Reason("config-invalid", "The configuration file can't be used.", "Mend the line named and start again."),
    Reason("port-in-use", "A network port that the appliance needs is in use.", "Stop the other program or choose another port in the configuration."),
    Reason("process-down", "A part of the appliance is not running.", "It is restarted by itself. If this stays for a minute, call service."),
    # -- updates -------------------------------------------------------------------------------------------
    Reason("update-unconfigured", "This appliance is not set up for remote updates.", "Nothing to do, unless updates are wanted: then ask the fleet's admin."),
    Reason("update-unreachable", "The update repository doesn't answer.", "Nothing to do: it is tried again by itself. If this stays for days, check the network."),
    Reason("update-slow", "The update repository answers too slowly.", "Nothing to do: it is tried again by itself."),
    Reason("update-expired", "The update repository's signatures have expired by this appliance's clock.", "Check this appliance's clock. If it is right, tell the fleet's admin."),
    Reason("update-clock-behind", "This appliance's clock is behind a time that is proven by a signature.", "Set the clock, or connect a time source. Updates wait."),
    Reason("update-untrusted", "The update repository's signatures are not valid.", "Tell the fleet's admin at once. Nothing was changed."),
    Reason("update-not-signed", "The fleet's admin asks for a release that the release keys didn't sign.", "Tell the fleet's admin at once. Nothing was changed."),
    Reason("update-replayed", "The update repository shows an older state than was seen before.", "Tell the fleet's admin. Nothing was changed."),
    Reason("update-below-floor", "The release asked for is older than this appliance may run.", "Tell the fleet's admin. Nothing was changed."),
    Reason("update-wrong-hardware", "The release asked for is not for this kind of appliance.", "Tell the fleet's admin. Nothing was changed."),
    Reason("update-needs-application", "The model asked for needs a newer application.", "Tell the fleet's admin: the application comes first."),
    Reason("update-bad-release", "The release asked for failed on this appliance before and is not tried again.", "Nothing to do: the last good release runs. The fleet's admin knows."),
    Reason("update-changed", "The release asked for is not what it was when it was installed.", "Tell the fleet's admin at once. Nothing was changed."),
    Reason("update-damaged", "A downloaded part of an update is not what was signed.", "Nothing to do: it is loaded again by itself. If this stays, tell the fleet's admin."),
    Reason("update-missing", "The update repository lacks a part of the release asked for.", "Tell the fleet's admin."),
    Reason("update-no-room", "The disk has no room for the update.", "Check that the archive is reachable, so that images can leave; then call service."),
    Reason("update-budget", "Today's budget of bytes for updates is spent.", "Nothing to do: it goes on tomorrow."),
    Reason("update-waiting", "An update is ready and waits until the appliance is idle.", "Nothing to do."),
    Reason("update-on-trial", "A new release is on trial.", "Nothing to do: it stays if it proves itself, or the last good one returns."),
    Reason("update-no-launcher", "The appliance was not started by its launcher, so that updates can't be tried safely.", "Start it with the launcher, as the guide for fleets says."),
    Reason("update-busy", "Another update check is running.", "Nothing to do."),
    Reason("preflight-failed", "The release failed its test before it was ever started.", "Nothing to do: the last good release runs on."),
    Reason("preflight-crashed", "The release crashed in its test before it was ever started.", "Nothing to do: the last good release runs on."),
    Reason("preflight-hung", "The release didn't end its test before it was ever started.", "Nothing to do: the last good release runs on."),
    Reason("trial-crashed", "The release crashed again and again on trial.", "Nothing to do: the last good release runs again."),
    Reason("trial-boots", "The release saw many boots on trial and never proved itself.", "Nothing to do: the last good release runs again."),
    Reason("trial-hung", "The release stopped showing life on trial.", "Nothing to do: the last good release runs again."),
    Reason("trial-golden", "The release gave other results than the proven ones on trial.", "Nothing to do: the last good release runs again."),
    Reason("trial-updater", "The release could not have been updated any more.", "Nothing to do: the last good release runs again."),
    Reason("trial-unstoppable", "The release didn't stop when it was told to.", "Nothing to do: the last good release runs again."),
    # -- the fleet's admin ---------------------------------------------------------------------------------
    Reason("fleet-keys", "A key that is needed is not here, or is not the right one.", "Give the key's file or token, or ask its keeper to sign."),
    Reason("fleet-repository", "The update repository can't be used as asked.", "Read the detail; nothing was changed."),
    Reason("fleet-unknown", "There is no such release, device, rollout or token in this fleet.", "List what there is: calcedge fleet status, calcedge fleet devices."),
    Reason("fleet-enrolment", "The enrolment was refused.", "Ask the fleet's admin for a new token."),
)  # fmt: skip


def reason(code: str, *, detail: str = "") -> Reason:
    """The reason that `code` stands for, with an optional detail put behind its sentence.

    Raises:
        KeyError: if the code is not in the vocabulary.
    """
    known = REASONS[code]
    return Reason(code, f"{known.text} ({detail})" if detail else known.text, known.do)


class CalcedgeError(Exception):
    """An error that a person can act on. `detail` never holds patient data."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.reason = reason(code, detail=detail)
        super().__init__(f"{self.reason.code}: {self.reason.text}")


class Refused(CalcedgeError):  # noqa: N818 - the word of the house: an input is refused
    """This input can't be analysed."""


class StoreError(CalcedgeError):
    """The durable store can't take or give something."""


class ReportError(CalcedgeError):
    """A report object doesn't say what it must say."""


class DeliveryError(CalcedgeError):
    """A destination didn't take an object. `final` means that trying again by itself won't help."""

    def __init__(self, code: str, detail: str = "", *, final: bool = False) -> None:
        super().__init__(code, detail)
        self.final = final


class ConfigError(CalcedgeError):
    """The configuration can't be used."""

    def __init__(self, detail: str) -> None:
        super().__init__("config-invalid", detail)


class UpdateError(CalcedgeError):
    """An update is not taken, now or ever. What runs goes on running."""


class ModelError(CalcedgeError):
    """The model bundle can't be used, or isn't what it was proven to be."""

    def __init__(self, detail: str) -> None:
        super().__init__("model-unavailable", detail)
