"""`calcedge-dicom`: images in (DICOM, watched folder), paired with exposures and orders; results and notices out.

It is the process that has the network, and so does what the page may not: sends notices, tries the peers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import structlog

from edge.config import AnyDestination, Config, DicomWebDestination, FhirDestination, FolderDestination
from edge.errors import StoreError
from edge.intake.folder import WatchedFolder
from edge.intake.pairing import pair
from edge.intake.pulse import Pulse
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.network.own import own_node
from edge.orders.linking import link
from edge.orders.teller import Teller
from edge.orders.worklist import WorklistReader
from edge.outbox.archive import Archive
from edge.outbox.destination import Destination
from edge.outbox.dicomweb import DicomWeb
from edge.outbox.drain import Drain
from edge.outbox.fhir import FhirServer
from edge.outbox.folder import Folder
from edge.outbox.ledger import Ledger
from edge.outbox.wares import TWIN
from edge.services.errands import Errands
from edge.services.process import Context
from edge.web.notices import Notices

_POLL_S: Final = 0.1
_PULSE_S: Final = 10.0
_FOLDER_S: Final = 0.5
_STORE_PAUSE_S: Final = 2.0
"""A store that can't be written now (a full disk, say) is tried again after so long."""

log = structlog.get_logger()


def destination(settings: AnyDestination, config: Config, ledger: Ledger) -> Destination:
    """The destination that a configuration describes."""
    if isinstance(settings, FolderDestination):
        return Folder(settings.name, settings.path)
    if isinstance(settings, DicomWebDestination):
        return DicomWeb(settings, config.tls)
    if isinstance(settings, FhirDestination):
        return FhirServer(settings, config.tls)
    return Archive(settings, config.tls, ledger)


def _steadily(run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Runs a loop until `stop` is set, over everything that the store refuses: the others go on meanwhile."""
    while not stop.is_set():
        try:
            run(stop)
        except StoreError as error:
            log.error("waiting for the store", code=error.reason.code)
            stop.wait(_STORE_PAUSE_S)


def body(context: Context) -> None:
    """Works until it is told to stop. The drains run in threads of their own."""
    config, store = context.config, context.store
    reception = Reception(store, config.intake.reserve_mb)
    ledger = Ledger(store)
    drains = {
        settings.name: Drain(store, destination(settings, config, ledger), ledger) for settings in config.deliver_to()
    }
    store.objects.sweep_incoming(TWIN)
    folder = WatchedFolder(config.intake.folder, reception, store.objects) if config.intake.folder else None
    with ExitStack() as stack:
        watch = store.database.watch()
        stack.callback(watch.close)
        scp = stack.enter_context(StoreScp(config.dicom, reception, store.objects, tls=config.tls, notices=ledger))
        reader = WorklistReader(store, config.worklist, config.tls) if config.worklist else None
        teller = Teller(store, config.mpps, config.tls) if config.mpps else None
        work = {f"drain-{name}": drain.run for name, drain in drains.items()}
        work |= {"worklist": reader.run} if reader else {}
        work |= {"mpps": teller.run} if teller else {}
        pulse = Pulse(
            own_node(config.dicom, config.tls, _PULSE_S),
            config.tls,
            lambda: scp.associations >= config.dicom.max_associations,
        )
        work["pulse"] = pulse.run
        work["notices"] = Notices(store, config.device.serial).run
        work["errands"] = Errands(config, context.run).run
        threads = [
            threading.Thread(target=_steadily, args=(run, context.stop), name=name) for name, run in work.items()
        ]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(context.stop.set)
        next_look_s, news = 0.0, True
        while not context.stop.wait(_POLL_S):
            if not all(thread.is_alive() for thread in threads):
                raise RuntimeError("a thread has ended")  # the supervisor starts the whole process anew
            try:
                news = watch.changed() or news
                if news:
                    pair(store, config.bridge.device_id)
                    link(store, tell=teller is not None)
                    news = False
            except StoreError as error:
                log.error("matching waits for the store", code=error.reason.code)
                context.stop.wait(_STORE_PAUSE_S)
            now_s = store.clock.monotonic_s()
            if folder and now_s >= next_look_s:
                folder.look()
                next_look_s = now_s + _FOLDER_S
            context.beat(
                {
                    "listening": pulse.felt,
                    "associations": scp.associations,
                    "accepting": reception.accepting(),
                    "destinations": {
                        name: {"reachable": drain.reach.reachable, "reason": drain.reach.reason}
                        for name, drain in drains.items()
                    },
                    **({"worklist": {"reachable": reader.reachable, "reason": reader.reason}} if reader else {}),
                }
            )
