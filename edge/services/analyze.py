"""`calcedge-analyze`: admits, analyses and reports the images that wait. No network, no devices.

The untrusted part runs in a worker process of its own with a deadline; here are the table of steps and the report.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import structlog

from edge import __version__
from edge.errors import Reason, ReportError, StoreError, reason
from edge.fleet.installed import Models
from edge.flow import FhirBundle, Flow
from edge.people import thresholds
from edge.report.device import DeviceId
from edge.services.memory import REST_S, give_back
from edge.services.process import Context
from edge.services.worker import Settings, Worker, WorkerDied
from edge.store import images
from edge.store.images import Image, State
from edge.store.objects import PUT
from edge.types import Analysed, Analysis, NotAnalysed

if TYPE_CHECKING:
    from edge.store import Store, Watch

_POLL_S: Final = 0.02
_POLLS_TO_REST: Final = round(REST_S / _POLL_S)
_STORE_PAUSE_S: Final = 1.0
_MOST_CRASHES: Final = 3
"""An image whose analysis crashes the worker so often is given up: it is the image."""
_MOST_ATTEMPTS: Final = 20
"""The same, when the worker or its parent was killed from outside: it may not be the image."""

log = structlog.get_logger()


class Analyze:
    """One step at a time for the image nearest to its end."""

    def __init__(self, context: Context, worker: Worker, models: Models) -> None:
        self._context = context
        self._models = models
        self._store = context.store
        self._flow = Flow(context.store, context.config.deliver_to())
        self._worker = worker
        self._crashes: dict[int, int] = {}
        self._late: set[int] = set()
        self._store_trouble: Reason | None = None
        self._device = DeviceId("calcedge", "calcedge", context.config.device.serial, __version__)
        self._steps: dict[State, Callable[[Image], None]] = {
            State.RECEIVED: self._admit,
            State.ADMITTED: self._analyse,
            State.ANALYSED: self._report,
        }

    def follow(self) -> None:
        """Takes another model into use when the fleet's state names one: between two images, nothing else restarts."""
        if self._models.changed():
            log.info("another model release", release=self._models.current.release)
            self._worker.use(self._models.current.bundle)
            self.tell(None)

    def step(self) -> bool:
        """Does the next thing. False when nothing waits."""
        try:
            image = self._flow.next_image()
            self.tell(image)
            if image is None:
                return False
            self._steps[image.state](image)
        except StoreError as error:  # what was done is done again when the store can take it
            self._wait_for_store(error)
        else:
            self._store_trouble = None
        return True

    def _keep(self, result: Callable[[], None]) -> None:
        """Keeps what cost an analysis; on a full disk once there is room again, and the analysis isn't made anew."""
        while True:
            try:
                result()
            except StoreError as error:
                if error.reason.code != "disk-full" or self._context.stop.is_set():
                    raise
                self._wait_for_store(error)
            else:
                return

    def _wait_for_store(self, error: StoreError) -> None:
        log.error("waiting for the store", code=error.reason.code)
        self._store_trouble = error.reason
        self.tell(None)
        self._context.stop.wait(_STORE_PAUSE_S)

    def tell(self, image: Image | None) -> None:
        """Publishes what is being done."""
        model = self._worker.model
        self._context.beat(
            {
                "ready": model is not None,
                "model": asdict(model) if model else None,
                "bounds": asdict(bounds) if (bounds := self._worker.bounds) else None,
                "release": self._models.current.release,
                "working_on": image.id if image else None,
                "reason": trouble.code if (trouble := self._worker.trouble or self._store_trouble) else None,
                "worker": self._worker.pid,
            }
        )

    def _admit(self, image: Image) -> None:
        source = self._source(image)
        if (given_up := self._given_up(image)) is not None:
            self._flow.refuse(image, given_up)
            return
        self._flow.begin_attempt(image)
        try:
            self._store.objects.prove(image.object)
            header = self._worker.admit(self._store.objects.path(image.object), source)
        except WorkerDied as death:
            self._mourn(image, death)
            return
        except StoreError as error:
            self._flow.refuse(image, NotAnalysed(source, error.reason, image.sop_instance_uid))
            return
        if isinstance(header, NotAnalysed):
            self._flow.refuse(image, header)
        else:
            self._flow.admit(image, header)

    def _analyse(self, image: Image) -> None:
        assert image.header is not None
        if (given_up := self._given_up(image)) is not None:
            self._flow.analysed(image, Analysed(given_up, None))
            return
        self._flow.begin_attempt(image)
        try:
            self._store.objects.prove(image.object)
            model = self._worker.model
            result = self._worker.analyse(
                self._store.objects.path(image.object),
                image.header,
                self._source(image),
                points=thresholds.points_for(self._store, model.sha256) if model else None,
            )
        except WorkerDied as death:
            self._mourn(image, death)
            return
        except StoreError as error:
            result = Analysed(NotAnalysed(self._source(image), error.reason, image.sop_instance_uid), None)
        if _is_late(result.analysis) and image.id not in self._late:
            self._late.add(image.id)  # it may have been the worker, which is another one now
            return
        self._keep(lambda: self._flow.analysed(image, result))
        self._late.discard(image.id)
        self._crashes.pop(image.id, None)

    def _report(self, image: Image) -> None:
        with self._store.read() as connection:
            stored = images.latest_analysis(connection, image.id)
        assert stored is not None
        if image.header is None or image.conflicting:
            self._flow.reported(image, stored, ())  # nobody's identity to report under
            return
        from edge.report.build import make_reports  # noqa: PLC0415 - see _load_reports

        try:
            picture = self._store.objects.read(stored.picture) if stored.picture else None
            self._store.objects.prove(image.object)
            reports = make_reports(
                self._store.objects.path(image.object),
                stored.analysis,
                picture,
                made_at=self._store.clock.now(),
                device=self._device,
            )
        except StoreError as error:
            self._flow.report_failed(image, ReportError("report-failed", error.reason.code))
        except ReportError as error:
            log.error("no report", image=image.id, code=error.reason.code)
            self._flow.report_failed(image, error)
        else:
            bundle = self._bundle(image, stored.analysis)
            self._keep(lambda: self._flow.reported(image, stored, reports, bundle))

    def _bundle(self, image: Image, analysis: Analysis) -> FhirBundle | None:
        """The same as FHIR, where a destination wants it. What has no place there goes as DICOM only, and is logged."""
        if not self._flow.wants_fhir:
            return None
        from edge.report.fhir import fhir_bundle  # noqa: PLC0415 - loads hundreds of models: only when wanted

        path, now = self._store.objects.path(image.object), self._store.clock.now()
        try:
            body = json.loads(fhir_bundle(path, analysis, made_at=now, device=self._device))
        except ReportError as error:
            log.error("no FHIR report", image=image.id, code=error.reason.code)
            return None
        name = str(body["entry"][0]["fullUrl"]).removeprefix("urn:uuid:")
        return FhirBundle(name, json.dumps(body | {"id": name}, ensure_ascii=False).encode())

    def _given_up(self, image: Image) -> NotAnalysed | None:
        if self._crashes.get(image.id, 0) < _MOST_CRASHES and image.attempts < _MOST_ATTEMPTS:
            return None
        self._crashes.pop(image.id, None)  # a person who asks for another analysis gets one
        return NotAnalysed(self._source(image), reason("analysis-failed"), image.sop_instance_uid, self._worker.model)

    def _mourn(self, image: Image, death: WorkerDied) -> None:
        log.error("worker died", image=image.id, killed=death.killed)
        if not death.killed:
            self._crashes[image.id] = self._crashes.get(image.id, 0) + 1

    @staticmethod
    def _source(image: Image) -> str:
        return f"{image.object[:16]}.dcm"


def _is_late(analysis: Analysis) -> bool:
    return isinstance(analysis, NotAnalysed) and analysis.reason.code == "deadline"


def _load_reports() -> None:
    """Loads what reports need, a second's worth."""
    from edge.report.build import warm_up  # noqa: PLC0415 - not before the worker was started

    warm_up()


def _sweep(store: Store) -> None:
    """Removes what an earlier life left half done."""
    with store.read() as connection:
        referenced = images.referenced_objects(connection)
    store.objects.sweep_orphans(referenced)
    store.objects.sweep_incoming(PUT)


def _changed(watch: Watch) -> bool:
    """Whether there may be something to do. A store that can't be asked has the next step wait for it, and say so."""
    try:
        return watch.changed()
    except StoreError:
        return True


def body(context: Context) -> None:
    """Works until it is told to stop."""
    settings = context.config.analysis
    models = Models(context.config.fleet_root, settings.release)
    worker = Worker(Settings(models.current.bundle, settings.deadline_s, settings.threads), idle=context.beat)
    analyze = Analyze(context, worker, models)
    with ExitStack() as stack:
        stack.callback(worker.stop)
        context.beat.starting = True
        worker.launch()  # it takes longest: the rest is done while it loads its networks and proves them
        analyze.tell(None)
        loading = threading.Thread(target=_load_reports, name="reports")
        loading.start()
        _sweep(context.store)
        watch = context.store.database.watch()
        stack.callback(watch.close)
        worker.wait_ready()
        while loading.is_alive():
            context.beat()
            loading.join(_POLL_S)
        context.beat.starting = False
        analyze.tell(None)
        while not context.stop.is_set():
            analyze.follow()
            if analyze.step():
                continue
            polls = 0
            while not _changed(watch) and not models.touched() and not context.stop.wait(_POLL_S):
                context.beat()
                polls += 1
                if polls == _POLLS_TO_REST:
                    give_back()
