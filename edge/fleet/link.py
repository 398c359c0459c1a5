"""The way to the admin: an MQTT 5 broker, or a folder. Carries status and a nudge to look sooner, never authority.

Topics, JSON, at least once:

    xray/1/<fleet>/<device>/status   retained: birth and will of the connection, on one topic
    xray/1/<fleet>/<device>/update   retained: how the box stands with its updates
    xray/1/<fleet>/<device>/health   not retained, expires in a day
    xray/1/<fleet>/nudge             its content is ignored: "look for updates soon"
"""

from __future__ import annotations

import json
import queue
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.errors import UpdateError
from edge.fleet import durable
from edge.fleet.durable import PosixDisk
from edge.fleet.fetcher import Tls, context
from edge.fleet.messages import Presence, encode
from edge.fleet.outbox import Waiting

ROOT: Final = "xray/1"
WILL_DELAY_S: Final = 120
_WINDOW: Final = 20
_FIRST_PAUSE_S: Final = (1, 30)
"""Each box takes its own: paho doubles the pause without jitter, and boxes lose their broker together."""
_LONGEST_PAUSE_S: Final = 300


class Link(Protocol):
    """Takes messages to the admin."""

    def send(self, messages: Iterable[Waiting]) -> None:
        """Begins to send. Sending one again that is under way does nothing."""

    def confirmed(self) -> list[int]:
        """The numbers of messages that have arrived since the last call."""

    def nudged(self) -> bool:
        """Whether the admin asked to look soon, since the last call."""

    def close(self) -> None:
        """Ends in good order: no will is published."""


def topic(fleet: str, device: str, what: str) -> str:
    """Where a box's messages go."""
    return f"{ROOT}/{fleet}/{device}/{what}"


def connect(address: str, fleet: str, device: str, boot: str, tls: Tls) -> Link:
    """Opens the way. A broker that isn't there is tried again by itself.

    Raises:
        UpdateError: `update-unconfigured` for an address of another kind.
    """
    parts = urlsplit(address)
    if parts.scheme == "file":
        return FolderLink(Path(url2pathname(parts.path)) / fleet / device)
    if parts.scheme in ("mqtt", "mqtts") and parts.hostname:
        return MqttLink(address, fleet, device, boot, tls)
    raise UpdateError("update-unconfigured", "fleet.broker")


def first_pause_s() -> int:
    """How long a box waits before it comes back to a lost broker."""
    return random.randint(*_FIRST_PAUSE_S)  # noqa: S311 - not a secret


class FolderLink:
    """No broker at all: each message a file, carried by whatever carries files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: list[int] = []
        self._disk = PosixDisk()
        durable.folder(self._disk, folder)

    def send(self, messages: Iterable[Waiting]) -> None:
        """See `Link`."""
        for message in messages:
            body = {"topic": message.topic, "payload": json.loads(message.payload)}
            durable.replace(self._disk, self._folder / f"{message.id:012}.json", json.dumps(body).encode())
            self._done.append(message.id)

    def confirmed(self) -> list[int]:
        """See `Link`."""
        done, self._done = self._done, []
        return done

    def nudged(self) -> bool:
        """See `Link`."""
        return False

    def close(self) -> None:
        """See `Link`."""


class MqttLink:
    """One connection to a broker."""

    def __init__(self, address: str, fleet: str, device: str, boot: str, tls: Tls) -> None:
        self._status = topic(fleet, device, "status")
        self._nudge = f"{ROOT}/{fleet}/nudge"
        self._boot = boot
        self._under_way: dict[int, int] = {}
        self._sent: set[int] = set()
        self._acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._nudges: queue.SimpleQueue[int] = queue.SimpleQueue()
        parts = urlsplit(address)
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"{fleet}-{device}", protocol=MQTTProtocolVersion.MQTTv5)
        if parts.scheme == "mqtts":
            client.tls_set_context(context(tls))
        client.reconnect_delay_set(first_pause_s(), _LONGEST_PAUSE_S)
        will = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        will.WillDelayInterval = WILL_DELAY_S
        client.will_set(self._status, encode(Presence(boot, online=False)), 1, retain=True, properties=will)
        client.on_connect = lambda *_: self._born()
        client.on_publish = lambda _c, _u, number, *_: self._acknowledged.put(number)
        client.on_message = self._heard
        self._client = client
        client.connect_async(parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883))
        client.loop_start()

    def send(self, messages: Iterable[Waiting]) -> None:
        """See `Link`."""
        for message in messages:
            if message.id in self._sent or len(self._sent) >= _WINDOW or not self._client.is_connected():
                continue
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if message.expiry_s is not None:
                properties.MessageExpiryInterval = message.expiry_s
            sent = self._client.publish(message.topic, message.payload, 1, retain=message.retain, properties=properties)
            if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._under_way[sent.mid] = message.id
                self._sent.add(message.id)

    def confirmed(self) -> list[int]:
        """See `Link`."""
        done = []
        for number in _all(self._acknowledged):
            if (message := self._under_way.pop(number, None)) is not None:
                self._sent.discard(message)
                done.append(message)
        return done

    def nudged(self) -> bool:
        """See `Link`."""
        return any(_all(self._nudges))

    def close(self) -> None:
        """See `Link`."""
        self._client.disconnect()
        self._client.loop_stop()

    def _born(self) -> None:
        self._client.publish(self._status, encode(Presence(self._boot, online=True)), 1, retain=True)
        self._client.subscribe(self._nudge, 1)

    def _heard(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if message.topic == self._nudge:
            self._nudges.put(1)


def _all(source: queue.SimpleQueue[int]) -> list[int]:
    found: list[int] = []
    while True:
        try:
            found.append(source.get_nowait())
        except queue.Empty:
            return found
