"""Brings the boxes' messages into the ledger: from a broker, or from a folder."""

from __future__ import annotations

import json
import queue
import random
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.errors import UpdateError
from edge.fleet.fetcher import Tls, context
from edge.fleet.link import ROOT

_BATCH: Final = 2000
_KEEP_S: Final = 3600


class Source(Protocol):
    """Where messages come from."""

    def take(self) -> list[tuple[str, bytes]]:
        """What has come since the last call: topic and payload."""

    def nudge(self) -> None:
        """Asks the boxes to look for updates soon."""

    def close(self) -> None:
        """Ends."""


def source(address: str, fleet: str, tls: Tls) -> Source:
    """Opens a source.

    Raises:
        UpdateError: `update-unconfigured` for an address of another kind.
    """
    parts = urlsplit(address)
    if parts.scheme == "file":
        return FolderSource(Path(url2pathname(parts.path)) / fleet)
    if parts.scheme in ("mqtt", "mqtts") and parts.hostname:
        return BrokerSource(address, fleet, tls)
    raise UpdateError("update-unconfigured", "the broker's address")


class FolderSource:
    """A folder of messages: each is taken once, and removed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self) -> list[tuple[str, bytes]]:
        """See `Source`."""
        found = []
        for path in sorted(self._folder.glob("*/*.json"))[:_BATCH]:
            body = json.loads(path.read_bytes())
            found.append((str(body["topic"]), json.dumps(body["payload"]).encode()))
            path.unlink()
        return found

    def nudge(self) -> None:
        """See `Source`: nobody listens to a folder."""

    def close(self) -> None:
        """See `Source`."""


class BrokerSource:
    """An MQTT 5 broker. The session outlives us for an hour: nothing is missed meanwhile."""

    def __init__(self, address: str, fleet: str, tls: Tls) -> None:
        self._come: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._fleet = fleet
        parts = urlsplit(address)
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"{fleet}-ledger", protocol=MQTTProtocolVersion.MQTTv5)
        if parts.scheme == "mqtts":
            client.tls_set_context(context(tls))
        client.reconnect_delay_set(random.randint(1, 5), 60)  # noqa: S311 - not a secret
        client.on_connect = lambda *_: self._listen()
        client.on_message = self._heard
        self._client = client
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _KEEP_S
        client.connect_async(
            parts.hostname or "",
            parts.port or (8883 if parts.scheme == "mqtts" else 1883),
            clean_start=False,
            properties=properties,
        )
        client.loop_start()

    def take(self) -> list[tuple[str, bytes]]:
        """See `Source`."""
        found: list[tuple[str, bytes]] = []
        while len(found) < _BATCH:
            try:
                found.append(self._come.get_nowait())
            except queue.Empty:
                break
        return found

    def nudge(self) -> None:
        """See `Source`."""
        self._client.publish(f"{ROOT}/{self._fleet}/nudge", b"", 1)

    def close(self) -> None:
        """See `Source`."""
        self._client.disconnect()
        self._client.loop_stop()

    def _listen(self) -> None:
        self._client.subscribe(f"{ROOT}/{self._fleet}/+/+", 1)

    def _heard(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self._come.put((message.topic, bytes(message.payload)))
