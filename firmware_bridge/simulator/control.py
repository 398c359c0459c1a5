"""The control socket: makes things happen to a running simulated unit, one line of JSON each way.

    -> {"do": "unplug", "s": 2}
    <- {"ok": true, "did": "unplug"}
    -> {"do": "explode"}
    <- {"ok": false, "error": "do: ..."}

The socket is a Unix socket that only its owner can use. Rules of what may be said are those of a scenario's steps;
`status` tells how the unit is, `watch` sends from then on each line that the unit says.

What always holds: whatever a client sends or fails to read, the unit goes on; a client that does not read is let go.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

Answer = dict[str, Any]
Doer = Callable[[dict[str, Any]], Answer]
"""Does what one line asks. Raises ValueError with a sentence when it can't be done."""

_MOST_CLIENTS: Final = 16
_LONGEST_LINE: Final = 65_536


class Control:
    """The listening socket and its clients. The owner waits on `readable` and calls `serve`."""

    def __init__(self, path: Path, do: Doer) -> None:
        self._path = path
        self._do = do
        self._clients: dict[int, _Client] = {}
        if path.is_socket():
            path.unlink()  # of a simulator that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        except OSError:
            self._listener.close()
            raise
        finally:
            os.umask(mask)
        self._listener.listen()
        self._listener.setblocking(False)

    @property
    def readable(self) -> tuple[int, ...]:
        """What select(2) can wait on."""
        return (self._listener.fileno(), *self._clients)

    def serve(self) -> None:
        """Answers what has arrived; never waits."""
        ready, _, _ = select.select(self.readable, [], [], 0)
        for descriptor in ready:
            client = self._clients.get(descriptor)
            if client is None:
                self._accept()
            elif not all(client.send(self._answer(client, line)) for line in client.lines()) or client.gone:
                self._let_go(descriptor)

    def tell(self, line: str) -> None:
        """Sends a line to everybody who watches."""
        for descriptor, client in list(self._clients.items()):
            if client.watching and not client.send({"said": line}):
                self._let_go(descriptor)

    def close(self) -> None:
        """Ends all conversations and removes the socket."""
        for descriptor in list(self._clients):
            self._let_go(descriptor)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if len(self._clients) >= _MOST_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection)

    def _let_go(self, descriptor: int) -> None:
        self._clients.pop(descriptor).connection.close()

    def _answer(self, client: _Client, line: bytes) -> Answer:
        try:
            asked = json.loads(line)
            if asked == {"do": "watch"}:
                client.watching = True
                return {"ok": True, "did": "watch"}
            if isinstance(asked, dict):
                return {"ok": True} | self._do(asked)
        except ValueError as error:  # what JSON and pydantic raise is of this kind
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": 'say {"do": "...", ...}'}


class _Client:
    """One conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.watching = False
        self.gone = False
        self._pending = b""

    def lines(self) -> Iterator[bytes]:
        """The whole lines that have arrived."""
        try:
            data = self.connection.recv(_LONGEST_LINE)
        except OSError:
            data = b""
        self.gone = not data or len(self._pending) > _LONGEST_LINE
        *whole, self._pending = (self._pending + data).split(b"\n")
        for line in whole:
            if line.strip():
                yield line

    def send(self, answer: Answer) -> bool:
        """Sends one line; False when it could not be sent whole."""
        data = json.dumps(answer).encode() + b"\n"
        try:
            return self.connection.send(data) == len(data)
        except OSError:
            return False


def ask(path: Path, asked: dict[str, Any], *, patience_s: float = 5.0) -> Answer:
    """Says one thing to the unit behind `path`, and gives its answer.

    Raises:
        OSError: if nobody listens there, or the answer does not come in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(patience_s)
        connection.connect(str(path))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        answer: Answer = json.loads(next(_lines(connection)))
        return answer


def read_words(words: Sequence[str]) -> dict[str, Any]:
    """`unplug s=2` as what the socket takes: values are JSON where they can be, else words.

    Raises:
        ValueError: if a word behind the first is not NAME=VALUE.
    """
    asked: dict[str, Any] = {"do": words[0]}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise ValueError(f"{word!r} is not NAME=VALUE")
        try:
            asked[name] = json.loads(value)
        except ValueError:
            asked[name] = value
    return asked


def watch(path: Path) -> Iterator[str]:
    """Each line that the unit says from now on, until it ends.

    Raises:
        OSError: if nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.sendall(b'{"do": "watch"}\n')
        for line in _lines(connection):
            said = json.loads(line).get("said")
            if said is not None:
                yield said


def _lines(connection: socket.socket) -> Iterator[bytes]:
    pending = b""
    while data := connection.recv(4096):
        *whole, pending = (pending + data).split(b"\n")
        yield from whole
    raise ConnectionError("the unit closed the conversation")
